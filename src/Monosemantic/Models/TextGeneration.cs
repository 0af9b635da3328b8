using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Models;

/// <summary>A text continued by a model.</summary>
/// <param name="Prompt">The text it was given.</param>
/// <param name="Text">What it added.</param>
/// <param name="PromptTokens">The prompt's token ids, beginning-of-text token included.</param>
/// <param name="Tokens">The added token ids.</param>
/// <param name="Ended">Whether the model ended the text itself.</param>
public sealed record Generation(string Prompt, string Text, IReadOnlyList<int> PromptTokens, IReadOnlyList<int> Tokens, bool Ended);

/// <summary>Text in, text out.</summary>
public static class TextGeneration
{
    /// <summary>Continues a text until the model ends it or enough tokens are there.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer; its beginning-of-text token, where it has one, goes first.</param>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="count">Most tokens to add.</param>
    /// <param name="options">How each token is chosen.</param>
    /// <param name="seed">Seed of the choices.</param>
    /// <param name="write">Given each piece of whole characters as soon as it is there; null for nobody.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <exception cref="UserErrorException">There is nothing to start from, or the tokenizer is not the model's.</exception>
    public static Generation Run(
        Transformer model, Tokenizer tokenizer, string prompt, int count, SamplingOptions options, long seed, Action<string>? write = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(prompt);
        int[] start = [.. tokenizer.Bos is { } bos ? [bos] : Array.Empty<int>(), .. tokenizer.Encode(prompt)];
        if (start.Length == 0) throw new UserErrorException("the prompt is empty, and the tokenizer has no token that begins a text", "give --prompt some text");
        var tokens = new List<int>();
        var characters = new CharacterStream(write);
        bool ended = false, shown = false;
        foreach (int token in TextSampler.Stream(model, start, options, new SeededRandom(seed)).Take(count))
        {
            cancellation.ThrowIfCancellationRequested();
            // Only now is it known that the model can read the prompt.
            if (!shown) write?.Invoke(prompt);
            shown = true;
            // Some models put nothing between two texts but the token that begins the next.
            ended = token == tokenizer.Eos || token == tokenizer.EndOfText || token == tokenizer.Bos;
            if (ended) break;
            tokens.Add(token);
            // Models often have more ids than their tokenizer has tokens.
            characters.Add(tokenizer.Contains(token) ? tokenizer.Bytes(token) : Encoding.UTF8.GetBytes($"<id {token}>"));
        }
        return new(prompt, characters.Finish(), start, tokens, ended);
    }

    /// <summary>Turns bytes into characters as they come; a character cut between two tokens waits for its rest.</summary>
    private sealed class CharacterStream(Action<string>? write)
    {
        private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
        private readonly StringBuilder text = new();

        internal void Add(ReadOnlySpan<byte> bytes) => Append(bytes, flush: false);

        internal string Finish()
        {
            Append([], flush: true);
            return text.ToString();
        }

        private void Append(ReadOnlySpan<byte> bytes, bool flush)
        {
            var characters = new char[bytes.Length + 4];
            string piece = new(characters, 0, decoder.GetChars(bytes, characters, flush));
            text.Append(piece);
            if (piece.Length > 0) write?.Invoke(piece);
        }
    }
}
