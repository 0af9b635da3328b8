using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Where the tokens of a word are in the original text.</summary>
internal static class TokenSpans
{
    /// <summary>
    /// Adds the range of each token. Walks tokens and characters side by side; `from` and `to` are the character that holds the
    /// current byte.
    /// </summary>
    /// <param name="text">The normalized text that holds the word.</param>
    /// <param name="start">Where the word begins in it.</param>
    /// <param name="length">How long the word is.</param>
    /// <param name="tokens">The word's tokens.</param>
    /// <param name="lengths">How many UTF-8 bytes of the word each stands for.</param>
    /// <param name="spans">Where the ranges go.</param>
    public static void Locate(AlignedText text, int start, int length, ReadOnlySpan<int> tokens, ReadOnlySpan<int> lengths, ImmutableArray<TokenSpan>.Builder spans)
    {
        ReadOnlySpan<char> word = text.Span[..(start + length)];
        int from = start, to = start, bytesLeft = 0;
        for (int i = 0; i < tokens.Length; i++)
        {
            if (bytesLeft == 0) from = to;
            int first = from;
            for (int needed = lengths[i]; needed > 0;)
            {
                if (bytesLeft == 0)
                {
                    Rune.DecodeFromUtf16(word[to..], out Rune rune, out int width);
                    (from, to, bytesLeft) = (to, to + width, rune.Utf8SequenceLength);
                }
                int taken = Math.Min(needed, bytesLeft);
                (needed, bytesLeft) = (needed - taken, bytesLeft - taken);
            }
            spans.Add(new TokenSpan(tokens[i], text.StartOf(first), text.EndOf(to - 1)));
        }
    }
}
