using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Text;

/// <summary>
/// Cuts text where GPT-2's pattern does, before any merge:
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// Written by hand rather than as a <see cref="System.Text.RegularExpressions.Regex"/>, which sees UTF-16 units and so takes
/// letters beyond U+FFFF for punctuation; the pattern is meant for code points.
/// </summary>
internal static class Gpt2PreTokenizer
{
    /// <summary>The pattern, as files write it.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>Length in UTF-16 units of the first pre-token of a text that is not empty.</summary>
    public static int NextLength(ReadOnlySpan<char> text)
    {
        if (text[0] == '\'' && ContractionLength(text) is > 0 and int contraction) return contraction;
        int lead = text[0] == ' ' && text.Length > 1 ? 1 : 0;
        CharacterKind kind = CharacterKinds.At(text, lead, out _);
        return kind == CharacterKind.Space ? SpaceLength(text) : CharacterKinds.EndOfRun(text, lead, kind);
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
        int run = CharacterKinds.EndOfRun(text, 0, CharacterKind.Space);
        return run < text.Length && run > 1 ? run - 1 : run;
    }
}
