using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Byte-level merging by Microsoft.ML.Tokenizers, for what it is right for: words of whole characters, no longer than
/// <see cref="WordCache.MaxLength"/>, of a vocabulary that has every byte of UTF-8. It merges long words in quadratic time (100,000
/// letters: 20 s), and takes half of a surrogate pair for a character of its own.
/// </summary>
internal sealed class LibraryMerges
{
    private readonly Lazy<BpeTokenizer> library;
    private readonly int[] lengths;

    private LibraryMerges(Func<BpeTokenizer> make, int[] lengths)
    {
        library = new(make);
        this.lengths = lengths;
    }

    /// <summary>Prepares the library; it reads the vocabulary at the first word, which takes it a third of a second for GPT-2's.</summary>
    /// <param name="vocabulary">The tokens, written in the byte alphabet.</param>
    /// <param name="rules">The merges.</param>
    /// <returns>Null where it would not give the right ids: a byte that text can hold has no token.</returns>
    public static LibraryMerges? Of(Vocabulary vocabulary, Dictionary<(int Left, int Right), BytePairRule> rules)
    {
        int[] bytes = vocabulary.ByteTokens(value => ByteAlphabet.ToCharacter(value).ToString());
        if (bytes.AsSpan(0, 0xC0).Contains(-1) || bytes.AsSpan(0xC2, 0xF5 - 0xC2).Contains(-1)) return null;
        string?[] pieces = vocabulary.Pieces;
        int[] lengths = new int[pieces.Length];
        foreach ((string piece, int id) in vocabulary.IdOf) lengths[id] = piece.Length;
        return new LibraryMerges(
            () => BpeTokenizer.Create(new BpeOptions(vocabulary.IdOf)
            {
                ByteLevel = true,
                Merges = rules.OrderBy(rule => rule.Value.Rank).Select(rule => $"{pieces[rule.Key.Left]} {pieces[rule.Key.Right]}"),
            }),
            lengths);
    }

    /// <summary>Writes the tokens of a word and the bytes that each stands for; returns how many there are.</summary>
    /// <param name="word">The word, of whole characters.</param>
    /// <param name="tokens">Room for <see cref="SymbolSource.MaxPerUnit"/> tokens a unit.</param>
    /// <param name="bytes">As much room.</param>
    public int Merge(ReadOnlySpan<char> word, Span<int> tokens, Span<int> bytes)
    {
        IReadOnlyList<int> ids = library.Value.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false);
        for (int i = 0; i < ids.Count; i++) (tokens[i], bytes[i]) = (ids[i], lengths[ids[i]]);
        return ids.Count;
    }

    /// <summary>Whether the library is right for a word.</summary>
    public static bool Suits(ReadOnlySpan<char> word)
    {
        if (word.Length > WordCache.MaxLength) return false;
        while (word.IndexOfAnyInRange('\uD800', '\uDFFF') is >= 0 and int at)
        {
            if (Rune.DecodeFromUtf16(word[at..], out _, out int width) != OperationStatus.Done) return false;
            word = word[(at + width)..];
        }
        return true;
    }
}
