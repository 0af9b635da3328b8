using System.Globalization;
using System.Text;

namespace Monosemantic.Reports;

/// <summary>
/// Makes any text safe to look at: every character that would be invisible, move the cursor or turn the writing direction
/// becomes a visible sign. Ordinary spaces stay. Tokens are cut anywhere, so this is the rule rather than the exception.
/// </summary>
internal static class VisibleText
{
    /// <summary>The text with nothing hidden in it; well-formed UTF-16 whatever comes in.</summary>
    /// <param name="text">Any text, lone surrogates included (they become U+FFFD).</param>
    public static string Of(string text)
    {
        if (IsPlain(text)) return text;
        var visible = new StringBuilder(text.Length + 8);
        foreach (Rune rune in text.EnumerateRunes())
        {
            // A combining mark that starts a token has no letter to sit on: give it the customary dotted circle.
            if (visible.Length == 0 && IsMark(rune)) visible.Append('\u25CC');
            Append(visible, rune);
        }
        return visible.ToString();
    }

    private static bool IsPlain(string text)
    {
        foreach (char c in text)
        {
            if (c is < ' ' or > '~') return false;
        }
        return true;
    }

    private static void Append(StringBuilder visible, Rune rune)
    {
        switch (rune.Value)
        {
            case '\n': visible.Append('\u21B5'); break;
            case '\t': visible.Append('\u21E5'); break;
            // Its code in brackets rather than a control picture such as U+2400, which few fonts have.
            case var _ when IsHidden(rune): visible.Append(CultureInfo.InvariantCulture, $"\u27E8U+{rune.Value:X4}\u27E9"); break;
            default: visible.Append(rune.ToString()); break;
        }
    }

    // Control, format (bidi controls, zero-width characters, tags), line and paragraph separators, unusual spaces,
    // and the Hangul fillers and Braille blank, which are letters that draw nothing.
    private static bool IsHidden(Rune rune) => rune.Value is 0x115F or 0x1160 or 0x3164 or 0xFFA0 or 0x2800
        || (rune.Value != ' ' && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark;
}
