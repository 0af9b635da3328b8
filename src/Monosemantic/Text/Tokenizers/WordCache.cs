using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Words seen before, with their tokens. Words repeat, so most of a text is answered from here. It has a fixed number of places,
/// two for each word, and a new word takes the place of an old one, so that no text can fill the memory. What it holds never
/// changes a result. Safe to use from several threads.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longest word that is remembered, in UTF-16 units.</summary>
    public const int MaxLength = 64;

    private const int Places = 1 << 16;

    private readonly TokenizedWord?[] places = new TokenizedWord?[Places];

    /// <summary>The tokens of a word, or null.</summary>
    /// <param name="word">The word.</param>
    /// <param name="place">Where to <see cref="Add"/> it.</param>
    public TokenizedWord? Find(ReadOnlySpan<char> word, out int place)
    {
        ulong hash = XxHash3.HashToUInt64(MemoryMarshal.AsBytes(word));
        place = (int)(hash % Places);
        if (places[place] is not { } first) return null;
        if (word.SequenceEqual(first.Text)) return first;
        place ^= 1;
        if (places[place] is not { } second) return null;
        if (word.SequenceEqual(second.Text)) return second;
        if (hash >> 63 == 1) place ^= 1;
        return null;
    }

    /// <summary>Remembers a word.</summary>
    public void Add(TokenizedWord word, int place) => places[place] = word;
}
