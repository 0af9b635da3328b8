using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>
/// Turns text into token ids and back: byte-level byte-pair encoding as in GPT-2. Encoding never adds a token of its own (no
/// beginning-of-sequence; that is <see cref="ContextPacker"/>'s), and never fails: text that is not valid Unicode counts as U+FFFD.
/// Safe to use from several threads.
/// </summary>
public sealed class Tokenizer
{
    private readonly byte[]?[] bytes;
    private readonly BytePairEncoder encoder;
    private readonly AddedTokenSplitter splitter;

    private Tokenizer(TokenizerFile file, string sha256, string source)
    {
        var table = new TokenTable(file, source);
        bytes = table.Bytes;
        encoder = table.Encoder;
        splitter = new AddedTokenSplitter(file.AddedTokens);
        Sha256 = sha256;
        SpecialTokens = [.. file.AddedTokens.Where(token => token.Special).Select(token => token.Id).Order()];
        EndOfText = file.AddedTokens.FirstOrDefault(token => token.Content == TokenizerFile.EndOfText)?.Id;
    }

    /// <summary>Number of ids: 1 + the highest one.</summary>
    public int VocabularySize => bytes.Length;

    /// <summary>Id of <c>&lt;|endoftext|&gt;</c>, which GPT-2-like models also take as beginning of sequence; null where there is none.</summary>
    public int? EndOfText { get; }

    /// <summary>Ids of the special tokens, ascending.</summary>
    public ImmutableArray<int> SpecialTokens { get; }

    /// <summary>SHA-256 of the <c>tokenizer.json</c>, lower-case hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Loads a tokenizer.</summary>
    /// <param name="path">A <c>tokenizer.json</c>, or the model folder that holds it.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, or says something this tool does not do; the message names the field.</exception>
    public static Tokenizer Load(string path)
    {
        byte[] json = TokenizerFile.ReadBytes(path, out string file);
        return new Tokenizer(TokenizerFile.Parse(json, file), Convert.ToHexStringLower(SHA256.HashData(json)), file);
    }

    /// <summary>Makes a tokenizer from what would be its file.</summary>
    /// <param name="file">The vocabulary and merges.</param>
    /// <exception cref="UserErrorException">It contradicts itself.</exception>
    public static Tokenizer Create(TokenizerFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new Tokenizer(file, Hashing.OfText(file.ToJson()), TokenizerFile.FileName);
    }

    /// <summary>The token ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">
    /// Whether the text of a special token becomes that token. Off by default: a corpus is data, and a document that mentions
    /// <c>&lt;|endoftext|&gt;</c> must not end there.
    /// </param>
    public int[] Encode(string text, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var tokens = new List<int>(text.Length / 3 + 1);
        foreach (TextPiece piece in splitter.Split(text, parseSpecialTokens))
        {
            if (piece.Token >= 0) tokens.Add(piece.Token);
            else EncodePlain(text.AsSpan(piece.Start, piece.Length), tokens);
        }
        return [.. tokens];
    }

    /// <summary>The tokens of a text with the range of the text that each came from; the same ids as <see cref="Encode"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">Whether the text of a special token becomes that token.</param>
    public ImmutableArray<TokenSpan> EncodeWithOffsets(string text, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var spans = ImmutableArray.CreateBuilder<TokenSpan>();
        foreach (TextPiece piece in splitter.Split(text, parseSpecialTokens))
        {
            if (piece.Token >= 0) spans.Add(new TokenSpan(piece.Token, piece.Start, piece.Start + piece.Length));
            else LocatePlain(text.AsSpan(piece.Start, piece.Length), piece.Start, spans);
        }
        return spans.ToImmutable();
    }

    /// <summary>The text of a sequence: its tokens' bytes joined, then read as UTF-8 (bytes that are not become U+FFFD).</summary>
    /// <param name="tokens">Token ids [t].</param>
    /// <exception cref="UserErrorException">An id has no token.</exception>
    public string Decode(ReadOnlySpan<int> tokens)
    {
        var joined = new List<byte>(tokens.Length * 4);
        foreach (int token in tokens) joined.AddRange(Bytes(token));
        return Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(joined));
    }

    /// <summary>The bytes that a token stands for.</summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="UserErrorException">The id has no token.</exception>
    public ReadOnlySpan<byte> Bytes(int token)
    {
        if ((uint)token < (uint)bytes.Length && bytes[token] is { } found) return found;
        throw new UserErrorException(
            $"token id {token} has no token; this tokenizer's ids are 0..{VocabularySize - 1}",
            "use the tokenizer that the ids were made with");
    }

    /// <summary>
    /// The text of one token, to be shown: its characters as they are (line breaks and spaces too), and a byte that is not part
    /// of a whole character as <c>&lt;0xE2&gt;</c>. Nothing is dropped.
    /// </summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="UserErrorException">The id has no token.</exception>
    public string Display(int token)
    {
        ReadOnlySpan<byte> rest = Bytes(token);
        var text = new StringBuilder(rest.Length);
        while (!rest.IsEmpty)
        {
            bool whole = Rune.DecodeFromUtf8(rest, out Rune rune, out int used) == System.Buffers.OperationStatus.Done;
            if (whole) text.Append(rune.ToString());
            else foreach (byte value in rest[..used]) text.Append(CultureInfo.InvariantCulture, $"<0x{value:X2}>");
            rest = rest[used..];
        }
        return text.ToString();
    }

    private void EncodePlain(ReadOnlySpan<char> text, List<int> tokens)
    {
        while (!text.IsEmpty)
        {
            int length = Gpt2PreTokenizer.NextLength(text);
            tokens.AddRange(encoder.Encode(text[..length]));
            text = text[length..];
        }
    }

    private void LocatePlain(ReadOnlySpan<char> text, int start, ImmutableArray<TokenSpan>.Builder spans)
    {
        while (!text.IsEmpty)
        {
            int length = Gpt2PreTokenizer.NextLength(text);
            Locate(text[..length], start, encoder.Encode(text[..length]), spans);
            text = text[length..];
            start += length;
        }
    }

    // Walks tokens and characters side by side; `from` and `to` are the character that holds the current byte.
    private void Locate(ReadOnlySpan<char> text, int start, ReadOnlySpan<int> tokens, ImmutableArray<TokenSpan>.Builder spans)
    {
        int from = 0, to = 0, bytesLeft = 0;
        foreach (int token in tokens)
        {
            if (bytesLeft == 0) from = to;
            int first = from;
            for (int needed = bytes[token]!.Length; needed > 0;)
            {
                if (bytesLeft == 0)
                {
                    Rune.DecodeFromUtf16(text[to..], out Rune rune, out int width);
                    (from, to, bytesLeft) = (to, to + width, rune.Utf8SequenceLength);
                }
                int taken = Math.Min(needed, bytesLeft);
                (needed, bytesLeft) = (needed - taken, bytesLeft - taken);
            }
            spans.Add(new TokenSpan(token, start + first, start + to));
        }
    }
}
