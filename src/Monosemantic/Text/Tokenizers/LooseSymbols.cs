using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Symbols that merging may start from but that are no tokens: in SentencePiece a character may occur inside pieces without
/// being one. Those that no merge took are replaced by their bytes or the unknown token.
/// </summary>
/// <param name="first">The first such symbol; tokens are below.</param>
/// <param name="characters">Their characters, from the first on.</param>
/// <param name="byteTokens">The token of each byte; null where there is none.</param>
/// <param name="unknown">The token of unknown characters.</param>
internal sealed class LooseSymbols(int first, Rune[] characters, int[]? byteTokens, UnknownToken unknown)
{
    /// <summary>Replaces them in place; returns how many tokens there are then.</summary>
    /// <param name="tokens">The symbols, with room for all their bytes.</param>
    /// <param name="lengths">The bytes that each stands for.</param>
    /// <param name="count">How many symbols there are.</param>
    public int Replace(Span<int> tokens, Span<int> lengths, int count)
    {
        if (!tokens[..count].ContainsAnyInRange(first, int.MaxValue)) return count;
        int[] symbols = tokens[..count].ToArray(), bytes = lengths[..count].ToArray();
        int written = 0;
        for (int i = 0; i < count; i++)
        {
            bool isUnknown = symbols[i] == unknown.Token || (symbols[i] >= first && byteTokens is null);
            if (isUnknown && unknown.Fuse && written > 0 && tokens[written - 1] == unknown.Token) lengths[written - 1] += bytes[i];
            else if (isUnknown) (tokens[written], lengths[written++]) = (unknown.Token, bytes[i]);
            else if (symbols[i] < first) (tokens[written], lengths[written++]) = (symbols[i], bytes[i]);
            else CharacterBytes.Add(characters[symbols[i] - first], byteTokens!, tokens, lengths, ref written);
        }
        return written;
    }
}
