using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// A regular expression of a tokenizer's file, matched by code points. .NET matches UTF-16 units, so each character beyond
/// U+FFFF is shown to it as one of the Basic Multilingual Plane that has the same general category; only syntax that .NET
/// and the reference (Oniguruma) read alike is taken, the rest is refused by name. One difference is left: without regard to case,
/// .NET does not take U+017F for an s.
/// </summary>
internal sealed class CodePointPattern
{
    private const string Escapes = "sSdDpPrntfv";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly string[] Groups = ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"];

    // One character for each category, none of which a pattern names by itself. Surrogates cannot occur.
    private static readonly ImmutableDictionary<UnicodeCategory, char> StandIns = new Dictionary<UnicodeCategory, char>
    {
        [UnicodeCategory.UppercaseLetter] = '\u0520',
        [UnicodeCategory.LowercaseLetter] = '\u0521',
        [UnicodeCategory.TitlecaseLetter] = '\u1F88',
        [UnicodeCategory.ModifierLetter] = '\u1D2C',
        [UnicodeCategory.OtherLetter] = '\uA000',
        [UnicodeCategory.NonSpacingMark] = '\u1AB0',
        [UnicodeCategory.SpacingCombiningMark] = '\u1B04',
        [UnicodeCategory.EnclosingMark] = '\uA670',
        [UnicodeCategory.DecimalDigitNumber] = '\uA620',
        [UnicodeCategory.LetterNumber] = '\uA6E6',
        [UnicodeCategory.OtherNumber] = '\uA830',
        [UnicodeCategory.Format] = '\u206A',
        [UnicodeCategory.PrivateUse] = '\uE000',
        [UnicodeCategory.ConnectorPunctuation] = '\uFE4D',
        [UnicodeCategory.DashPunctuation] = '\u2E3A',
        [UnicodeCategory.OpenPunctuation] = '\u2E22',
        [UnicodeCategory.ClosePunctuation] = '\u2E23',
        [UnicodeCategory.InitialQuotePunctuation] = '\u2E02',
        [UnicodeCategory.FinalQuotePunctuation] = '\u2E03',
        [UnicodeCategory.OtherPunctuation] = '\u2CF9',
        [UnicodeCategory.MathSymbol] = '\u2A00',
        [UnicodeCategory.CurrencySymbol] = '\uA838',
        [UnicodeCategory.ModifierSymbol] = '\uA700',
        [UnicodeCategory.OtherSymbol] = '\u4DC0',
        [UnicodeCategory.OtherNotAssigned] = '\u0378',
    }.ToImmutableDictionary();

    private readonly Regex regex;
    private readonly string pattern;

    private CodePointPattern(string pattern, string compiled)
    {
        this.pattern = pattern;
        regex = new Regex(compiled, RegexOptions.CultureInvariant | RegexOptions.Compiled, Patience);
    }

    /// <summary>Takes a pattern, or says why it is not taken.</summary>
    /// <param name="pattern">The expression as the file writes it.</param>
    /// <param name="problem">What is not taken; null where it is.</param>
    public static CodePointPattern? TryCreate(string pattern, out string? problem)
    {
        problem = Unsupported(pattern);
        if (problem is not null) return null;
        try
        {
            return new CodePointPattern(pattern, pattern);
        }
        catch (ArgumentException failure)
        {
            problem = failure.Message;
            return null;
        }
    }

    /// <summary>A pattern that matches a text as it is.</summary>
    public static CodePointPattern Literal(string text) => new(text, Regex.Escape(text));

    /// <summary>The matches in a text, in order, as ranges of its UTF-16 units.</summary>
    /// <exception cref="UserErrorException">The pattern takes too long on this text.</exception>
    public List<(int Start, int Length)> Matches(ReadOnlySpan<char> text)
    {
        var matches = new List<(int Start, int Length)>();
        bool plain = !text.ContainsAnyInRange('\uD800', '\uDFFF');
        (string shown, int[] places) = plain ? ("", []) : Show(text);
        try
        {
            foreach (ValueMatch match in regex.EnumerateMatches(plain ? text : shown))
            {
                int start = plain ? match.Index : places[match.Index], end = plain ? match.Index + match.Length : places[match.Index + match.Length];
                matches.Add((start, end - start));
            }
        }
        catch (RegexMatchTimeoutException failure)
        {
            throw new UserErrorException($"the tokenizer's pattern {pattern} takes more than {Patience.TotalSeconds} s on a text of {text.Length:N0} characters", "use a tokenizer with a simpler pattern", failure);
        }
        return matches;
    }

    // One character for each code point, and the place of each in the text, with one more entry for the end.
    private static (string Shown, int[] Places) Show(ReadOnlySpan<char> text)
    {
        var shown = new StringBuilder(text.Length);
        var places = new int[text.Length + 1];
        int at = 0;
        while (at < text.Length)
        {
            places[shown.Length] = at;
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int width);
            shown.Append(rune.IsBmp ? (char)rune.Value : StandIns[Rune.GetUnicodeCategory(rune)]);
            at += width;
        }
        places[shown.Length] = at;
        return (shown.ToString(), places);
    }

    private static string? Unsupported(string pattern)
    {
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            string rest = pattern[i..];
            if (char.IsSurrogate(c)) return "a character beyond U+FFFF";
            if (c == '\\')
            {
                if (Escape(rest) is { } escape) return escape;
                i++;
            }
            else if (inClass && (c == '[' || rest.StartsWith("&&", StringComparison.Ordinal))) return $"the class syntax {rest[..Math.Min(2, rest.Length)]}";
            else if (c == '[') inClass = true;
            else if (c == ']') inClass = false;
            else if (!inClass && c is '^' or '$') return $"the anchor {c}";
            else if (!inClass && rest.StartsWith("(?", StringComparison.Ordinal) && !Groups.Any(group => rest.StartsWith(group, StringComparison.Ordinal))) return $"the group {rest[..Math.Min(4, rest.Length)]}";
        }
        return null;
    }

    private static string? Escape(string rest)
    {
        if (rest.Length < 2) return "a backslash at the end";
        char letter = rest[1];
        if (!char.IsAsciiLetterOrDigit(letter)) return null;
        if (!Escapes.Contains(letter)) return $"\\{letter}";
        if (letter is not ('p' or 'P')) return null;
        int end = rest.IndexOf('}');
        string name = end > 3 && rest[2] == '{' ? rest[3..end] : "";
        return IsCategory(name) ? null : $"\\{letter}{{{name}}}";
    }

    private static bool IsCategory(string name) => name.Length is 1 or 2 && "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn".Split(' ').Contains(name);
}
