namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Cuts text where the pattern of Llama 3 does, and that of Qwen 2 and 3, which differs in the digits:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
/// (Qwen: <c>\p{N}</c>). Written by hand for speed, and so that letters beyond U+FFFF are letters.
/// </summary>
internal static class Llama3PreTokenizer
{
    /// <summary>The pattern of Llama 3, as files write it.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The pattern of Qwen 2 and 3, as files write it.</summary>
    public const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const char LongS = '\u017F';

    /// <summary>Length in UTF-16 units of Llama 3's first pre-token of a text that is not empty.</summary>
    public static int NextLength(ReadOnlySpan<char> text) => NextLength(text, 3);

    /// <summary>Length in UTF-16 units of Qwen's first pre-token of a text that is not empty.</summary>
    public static int NextQwenLength(ReadOnlySpan<char> text) => NextLength(text, 1);

    private static int NextLength(ReadOnlySpan<char> text, int digits)
    {
        if (text[0] == '\'' && ContractionLength(text) is > 0 and int contraction) return contraction;
        CharacterKind kind = CharacterKinds.At(text, 0, out int width);
        if (kind == CharacterKind.Letter) return CharacterKinds.EndOfRun(text, width, CharacterKind.Letter);
        if (kind == CharacterKind.Number) return CharacterKinds.EndOfRun(text, 0, CharacterKind.Number, digits);
        // One character that is not a line break goes with the letters after it.
        if (text[0] is not ('\r' or '\n') && CharacterKinds.EndOfRun(text, width, CharacterKind.Letter) is int word && word > width) return word;
        int lead = text[0] == ' ' ? 1 : 0;
        int others = CharacterKinds.EndOfRun(text, lead, CharacterKind.Other);
        return others > lead ? WithLineBreaks(text, others) : SpaceLength(text);
    }

    private static int ContractionLength(ReadOnlySpan<char> text)
    {
        char second = text.Length > 2 ? char.ToLowerInvariant(text[2]) : '\0';
        return text.Length < 2 ? 0 : char.ToLowerInvariant(text[1]) switch
        {
            's' or LongS or 't' or 'm' or 'd' => 2,
            'r' or 'v' when second == 'e' => 3,
            'l' when second == 'l' => 3,
            _ => 0,
        };
    }

    private static int WithLineBreaks(ReadOnlySpan<char> text, int end)
    {
        while (end < text.Length && text[end] is '\r' or '\n') end++;
        return end;
    }

    // White space up to its last line break; without one, all of it but the last character before a word.
    private static int SpaceLength(ReadOnlySpan<char> text)
    {
        int run = CharacterKinds.EndOfRun(text, 0, CharacterKind.Space);
        int lines = text[..run].LastIndexOfAny('\r', '\n') + 1;
        if (lines > 0) return lines;
        return run < text.Length && run > 1 ? run - 1 : run;
    }
}
