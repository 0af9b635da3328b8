using System.Globalization;
using System.Text;

namespace Monosemantic.Text;

/// <summary>
/// Cuts text where GPT-2's pattern does, before any merge:
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// Written by hand rather than as a <see cref="System.Text.RegularExpressions.Regex"/>, which sees UTF-16 units and so takes
/// letters beyond U+FFFF for punctuation; the pattern is meant for code points.
/// </summary>
internal static class Gpt2PreTokenizer
{
    private enum Kind
    {
        Letter,
        Number,
        Space,
        Other,
    }

    /// <summary>Length in UTF-16 units of the first pre-token of a text that is not empty.</summary>
    public static int NextLength(ReadOnlySpan<char> text)
    {
        if (text[0] == '\'' && ContractionLength(text) is > 0 and int contraction) return contraction;
        int lead = text[0] == ' ' && text.Length > 1 ? 1 : 0;
        Kind kind = KindOf(text[lead..], out _);
        return kind == Kind.Space ? SpaceLength(text) : lead + RunLength(text[lead..], kind);
    }

    private static int ContractionLength(ReadOnlySpan<char> text) => text.Length < 2 ? 0 : text[1] switch
    {
        's' or 't' or 'm' or 'd' => 2,
        'r' or 'v' when text.Length > 2 && text[2] == 'e' => 3,
        'l' when text.Length > 2 && text[2] == 'l' => 3,
        _ => 0,
    };

    // Before a word, the last space of a run is left to the word: `\s+(?!\S)` gives it back.
    private static int SpaceLength(ReadOnlySpan<char> text)
    {
        int run = RunLength(text, Kind.Space);
        return run < text.Length && run > 1 ? run - 1 : run;
    }

    private static int RunLength(ReadOnlySpan<char> text, Kind kind)
    {
        int length = 0;
        while (length < text.Length && KindOf(text[length..], out int width) == kind) length += width;
        return length;
    }

    private static Kind KindOf(ReadOnlySpan<char> text, out int width)
    {
        char first = text[0];
        width = 1;
        if (char.IsAsciiLetter(first)) return Kind.Letter;
        if (!char.IsSurrogate(first)) return char.IsWhiteSpace(first) ? Kind.Space : KindOf(char.GetUnicodeCategory(first));
        // A surrogate without its other half is encoded as U+FFFD, which is neither letter, number nor space.
        Rune.DecodeFromUtf16(text, out Rune rune, out width);
        return KindOf(Rune.GetUnicodeCategory(rune));
    }

    private static Kind KindOf(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => Kind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
        _ => Kind.Other,
    };
}
