using System.Buffers;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Byte-pair encoding of pre-tokens: symbols, then merges. Words are remembered.</summary>
/// <param name="symbols">What merging starts from.</param>
/// <param name="rules">The merges.</param>
internal sealed class BytePairModel(SymbolSource symbols, MergeTable rules) : TokenModel
{
    private const int OnStack = WordCache.MaxLength * SymbolSource.MaxPerUnit;
    private readonly WordCache cache = new();

    /// <summary>The whole tokens by the text they stand for, where one that covers a pre-token is taken without merging; else null.</summary>
    public Dictionary<string, int>? WholeWords { get; init; }

    /// <summary>Where pre-tokens may be cut into words; null where nowhere.</summary>
    public SafeCuts? Cuts { get; init; }

    /// <summary>What merges the words that it suits; null where only the rules do.</summary>
    public LibraryMerges? Library { get; init; }

    /// <summary>What replaces symbols that are no tokens once merging is over; null where all are.</summary>
    public LooseSymbols? Loose { get; init; }

    public override void Encode(ReadOnlySpan<char> preToken, TokenSink sink)
    {
        while (Cuts is not null && !preToken.IsEmpty)
        {
            int length = Cuts.NextLength(preToken);
            EncodeWord(preToken[..length], sink);
            preToken = preToken[length..];
        }
        if (!preToken.IsEmpty) EncodeWord(preToken, sink);
    }

    private void EncodeWord(ReadOnlySpan<char> word, TokenSink sink)
    {
        if (word.Length > WordCache.MaxLength)
        {
            EncodeLong(word, sink);
            return;
        }
        if (cache.Find(word, out int place) is not { } known)
        {
            known = Merge(word);
            cache.Add(known, place);
        }
        sink.Add(known.Tokens, known.Lengths);
    }

    private TokenizedWord Merge(ReadOnlySpan<char> word)
    {
        string text = word.ToString();
        Span<int> tokens = stackalloc int[OnStack], lengths = stackalloc int[OnStack];
        int count = Merge(word, tokens, lengths);
        return new TokenizedWord(text, tokens[..count].ToArray(), lengths[..count].ToArray());
    }

    private void EncodeLong(ReadOnlySpan<char> word, TokenSink sink)
    {
        int room = checked(word.Length * SymbolSource.MaxPerUnit);
        int[] tokens = ArrayPool<int>.Shared.Rent(room), lengths = ArrayPool<int>.Shared.Rent(room);
        int count = Merge(word, tokens, lengths);
        sink.Add(tokens.AsSpan(0, count), lengths.AsSpan(0, count));
        ArrayPool<int>.Shared.Return(tokens);
        ArrayPool<int>.Shared.Return(lengths);
    }

    private int Merge(ReadOnlySpan<char> word, Span<int> tokens, Span<int> lengths)
    {
        if (WholeWords is not null && WholeWords.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out int whole))
        {
            (tokens[0], lengths[0]) = (whole, Encoding.UTF8.GetByteCount(word));
            return 1;
        }
        if (Library is not null && LibraryMerges.Suits(word)) return Library.Merge(word, tokens, lengths);
        int count = symbols.Read(word, tokens, lengths);
        count = PairMerging.Merge(tokens[..count], lengths[..count], rules);
        return Loose is null ? count : Loose.Replace(tokens, lengths, count);
    }
}
