using System.Globalization;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>What the published splitting patterns tell apart.</summary>
internal enum CharacterKind : byte
{
    /// <summary><c>\p{L}</c>.</summary>
    Letter,

    /// <summary><c>\p{N}</c>.</summary>
    Number,

    /// <summary><c>\s</c>.</summary>
    Space,

    /// <summary><c>[^\s\p{L}\p{N}]</c>.</summary>
    Other,
}

/// <summary>
/// The kind of each code point. A surrogate without its other half counts as U+FFFD, which it is encoded as: neither letter,
/// number nor space.
/// </summary>
internal static class CharacterKinds
{
    private static readonly CharacterKind[] OfUnit = [.. Enumerable.Range(0, 1 << 16).Select(unit => KindOf((char)unit))];

    /// <summary>The kind of the code point that begins at a place, and its width in UTF-16 units.</summary>
    public static CharacterKind At(ReadOnlySpan<char> text, int at, out int width)
    {
        char first = text[at];
        width = 1;
        return char.IsHighSurrogate(first) ? OfPair(text[at..], out width) : OfUnit[first];
    }

    /// <summary>The place after the longest run of code points of one kind, at most <paramref name="most"/> of them, from a place on.</summary>
    public static int EndOfRun(ReadOnlySpan<char> text, int from, CharacterKind kind, int most = int.MaxValue)
    {
        while (from < text.Length && most-- > 0 && At(text, from, out int width) == kind) from += width;
        return from;
    }

    private static CharacterKind OfPair(ReadOnlySpan<char> text, out int width)
    {
        Rune.DecodeFromUtf16(text, out Rune rune, out width);
        return KindOf(Rune.GetUnicodeCategory(rune));
    }

    private static CharacterKind KindOf(char unit) => char.IsWhiteSpace(unit) ? CharacterKind.Space : KindOf(char.GetUnicodeCategory(unit));

    private static CharacterKind KindOf(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => CharacterKind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterKind.Number,
        _ => CharacterKind.Other,
    };
}
