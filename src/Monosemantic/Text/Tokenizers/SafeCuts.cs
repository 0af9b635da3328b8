namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Where a long text may be cut without changing its tokens: between two characters that stand side by side in no token that
/// a merge makes, since a merge across them would make one. Kept as a set of hashes, whose collisions can only forbid a cut.
/// So a document without a pre-tokenizer is still encoded word by word.
/// </summary>
internal sealed class SafeCuts
{
    private const int Bits = 20;
    private readonly ulong[] neighbours = new ulong[(1 << Bits) / 64];
    private readonly CharacterSymbols symbols;

    /// <summary>Makes the set.</summary>
    /// <param name="merged">The text of every token that a merge makes.</param>
    /// <param name="symbols">Which characters are symbols.</param>
    public SafeCuts(IEnumerable<string> merged, CharacterSymbols symbols)
    {
        this.symbols = symbols;
        foreach (string token in merged)
        {
            for (int i = 1; i < token.Length; i++) neighbours[PlaceOf(token[i - 1], token[i], out ulong bit)] |= bit;
        }
    }

    /// <summary>Length of a text's first part that can be encoded alone.</summary>
    public int NextLength(ReadOnlySpan<char> text)
    {
        int at = 1;
        while (at < text.Length && !CanCut(text[at - 1], text[at])) at++;
        return at;
    }

    // A run of unknown characters may become one token, so the next character must be a known one.
    private bool CanCut(char before, char after) => symbols.Knows(after) && (neighbours[PlaceOf(before, after, out ulong bit)] & bit) == 0;

    private static int PlaceOf(char before, char after, out ulong bit)
    {
        uint hash = ((((uint)before << 16) | after) * 0x9E3779B1u) >> (32 - Bits);
        bit = 1UL << (int)(hash & 63);
        return (int)(hash >> 6);
    }
}
