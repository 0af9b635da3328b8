using System.Runtime.InteropServices;

namespace Monosemantic.Text.Tokenizers;

/// <summary>The tokens of one word, as they are remembered.</summary>
/// <param name="Text">The word.</param>
/// <param name="Tokens">Its token ids.</param>
/// <param name="Lengths">How many UTF-8 bytes of the word each token stands for.</param>
internal sealed record TokenizedWord(string Text, int[] Tokens, int[] Lengths);

/// <summary>Where tokens are collected.</summary>
/// <param name="capacity">How many are expected.</param>
/// <param name="measured">Whether the lengths are wanted too.</param>
internal sealed class TokenSink(int capacity, bool measured)
{
    private readonly List<int> tokens = new(capacity);
    private readonly List<int>? lengths = measured ? new(capacity) : null;

    /// <summary>Number of tokens so far.</summary>
    public int Count => tokens.Count;

    /// <summary>The tokens so far.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(tokens);

    /// <summary>How many UTF-8 bytes of the encoded text each stands for; empty where they are not wanted.</summary>
    public ReadOnlySpan<int> Lengths => CollectionsMarshal.AsSpan(lengths);

    /// <summary>Adds tokens that follow each other.</summary>
    public void Add(ReadOnlySpan<int> ids, ReadOnlySpan<int> bytes)
    {
        tokens.AddRange(ids);
        lengths?.AddRange(bytes);
    }

    /// <summary>Adds one token.</summary>
    public void Add(int id, int bytes)
    {
        tokens.Add(id);
        lengths?.Add(bytes);
    }
}

/// <summary>Turns one pre-token into tokens. Safe to use from several threads.</summary>
internal abstract class TokenModel
{
    /// <summary>Adds the tokens of one pre-token.</summary>
    /// <param name="preToken">Its text, normalized.</param>
    /// <param name="sink">Where the tokens go; their lengths add up to the text's.</param>
    /// <exception cref="Runtime.UserErrorException">A character has no token, and there is none for unknown ones.</exception>
    public abstract void Encode(ReadOnlySpan<char> preToken, TokenSink sink);
}
