using System.Globalization;
using System.Text;
using CsCheck;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

public sealed class PreTokenizerTests
{
    public static TheoryData<string> Patterns => [Gpt2PreTokenizer.Pattern, Llama3PreTokenizer.Pattern, Llama3PreTokenizer.QwenPattern];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void The_scanners_cut_where_their_patterns_do(string pattern)
    {
        WordScanner scan = pattern == Gpt2PreTokenizer.Pattern ? Gpt2PreTokenizer.NextLength
            : pattern == Llama3PreTokenizer.Pattern ? Llama3PreTokenizer.NextLength : Llama3PreTokenizer.NextQwenLength;
        CodePointPattern expected = CodePointPattern.TryCreate(pattern, out string? problem)!;
        Assert.Null(problem);
        // The regular expression of .NET does not fold the long s.
        JsonTokenizer.AnyText.Where(text => !text.Contains('\u017F')).Sample(text => Assert.Equal(expected.Matches(text).Select(match => text.Substring(match.Start, match.Length)), Cut(text, scan)));
    }

    [Theory]
    [InlineData("it's IT'LL don'T we'Ve", "it|'s| IT|'LL| don|'T| we|'Ve")]
    [InlineData("x  y\n\n  z", "x| | y|\n\n| | z")]
    [InlineData("1234567 a1", "123|456|7| a|1")]
    [InlineData("a!!\r\n b", "a|!!\r\n| b")]
    [InlineData("  \n \tend  ", "  \n| |\tend|  ")]
    [InlineData("(word) 'tis", "(word|)| '|tis")]
    [InlineData("it'\u017Fx", "it|'\u017F|x")]
    [InlineData("𝐀𝐁c 𝟙2", "𝐀𝐁c| |𝟙2")]
    public void Llama_3_cuts_as_published(string text, string expected) => Assert.Equal(expected.Split('|'), Cut(text, Llama3PreTokenizer.NextLength));

    [Fact]
    public void Qwen_takes_digits_one_by_one() => Assert.Equal(["a", "1", "2", "3", " b"], Cut("a123 b", Llama3PreTokenizer.NextQwenLength));

    // The reference's own example.
    [Theory]
    [InlineData(nameof(SplitBehaviour.Removed), "the|final|countdown")]
    [InlineData(nameof(SplitBehaviour.Isolated), "the|-|final|-|-|countdown")]
    [InlineData(nameof(SplitBehaviour.MergedWithPrevious), "the-|final-|-|countdown")]
    [InlineData(nameof(SplitBehaviour.MergedWithNext), "the|-final|-|-countdown")]
    [InlineData(nameof(SplitBehaviour.Contiguous), "the|-|final|--|countdown")]
    public void Delimiters_go_where_the_behaviour_says(string behaviour, string expected)
    {
        var step = new DelimiterStep(Enum.Parse<SplitBehaviour>(behaviour), CodePointPattern.Literal("-").Matches);
        Assert.Equal(expected, Apply("the-final--countdown", step));
    }

    [Fact]
    public void An_inverted_split_keeps_what_matches()
    {
        DelimiterFinder letters = CodePointPattern.TryCreate(@"\p{L}+", out _)!.Matches;
        Assert.Equal("ab|cd", Apply("ab 12 cd!", new DelimiterStep(SplitBehaviour.Removed, letters, invert: true)));
        Assert.Equal("ab| 12 |cd|!", Apply("ab 12 cd!", new DelimiterStep(SplitBehaviour.Isolated, letters, invert: true)));
    }

    [Theory]
    [InlineData("First", true, true, "▁a|▁b|▁|▁c")]
    [InlineData("First", false, true, "a|▁b|▁|▁c")]
    [InlineData("Always", false, true, "▁a|▁b|▁|▁c")]
    [InlineData("Never", true, true, "a|▁b|▁|▁c")]
    [InlineData("Always", true, false, "▁a▁b▁▁c")]
    public void Metaspace_marks_spaces_and_the_beginning(string scheme, bool atStart, bool split, string expected)
    {
        PreTokens tokens = new PreTokenizer([new MetaspaceStep('▁', Enum.Parse<PrependScheme>(scheme), split)]).Split(AlignedText.Of("a b  c", 0, 6), atStart, track: true);
        Assert.Equal(expected, Words(tokens));
    }

    [Fact]
    public void Digits_are_cut_one_by_one_or_in_runs()
    {
        DelimiterFinder numeric = text => Delimiters.Where(text, Delimiters.IsNumeric);
        Assert.Equal("a|1|2|½|b", Apply("a12½b", new DelimiterStep(SplitBehaviour.Isolated, numeric)));
        Assert.Equal("a|12½|b", Apply("a12½b", new DelimiterStep(SplitBehaviour.Contiguous, numeric)));
    }

    [Fact]
    public void Patterns_match_code_points()
    {
        CodePointPattern words = CodePointPattern.TryCreate(@"\p{Lu}\p{Ll}+|\p{So}|[^\p{L}\p{N}]", out _)!;
        const string Text = "𝐀𝐛c🦙!😀";
        Assert.Equal(["𝐀𝐛c", "🦙", "!", "😀"], words.Matches(Text).Select(match => Text.Substring(match.Start, match.Length)));
    }

    [Theory]
    [InlineData(@"\w+", @"\w")]
    [InlineData(@"\bx", @"\b")]
    [InlineData(@"^x", "^")]
    [InlineData(@"x$", "$")]
    [InlineData(@"\p{Han}", "Han")]
    [InlineData(@"[[:alpha:]]", "[:")]
    [InlineData(@"[a-z&&[^b]]", "&&")]
    [InlineData(@"(?<name>x)", "(?<n")]
    [InlineData(@"x++", "quantifier")]
    [InlineData(@"(", "enough")]
    [InlineData("🦙", "U+FFFF")]
    public void Syntax_that_others_read_otherwise_is_refused(string pattern, string named)
    {
        Assert.Null(CodePointPattern.TryCreate(pattern, out string? problem));
        Assert.Contains(named, problem);
    }

    [Fact]
    public void Stand_ins_have_the_category_of_what_they_stand_for()
    {
        int seen = 0;
        foreach (Rune rune in Enumerable.Range(0x10000, 0x100000).Select(code => new Rune(code)))
        {
            // By the category alone, a class of one category matches the character.
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            if (!Samples.TryGetValue(category, out CodePointPattern? pattern)) continue;
            if (seen++ % 97 == 0) Assert.Equal([(0, 2)], pattern.Matches(rune.ToString()));
        }
        Assert.True(seen > 100_000);
    }

    private static readonly Dictionary<UnicodeCategory, CodePointPattern> Samples = new (UnicodeCategory Category, string Name)[]
    {
        (UnicodeCategory.UppercaseLetter, "Lu"), (UnicodeCategory.LowercaseLetter, "Ll"), (UnicodeCategory.ModifierLetter, "Lm"), (UnicodeCategory.OtherLetter, "Lo"),
        (UnicodeCategory.NonSpacingMark, "Mn"), (UnicodeCategory.SpacingCombiningMark, "Mc"), (UnicodeCategory.DecimalDigitNumber, "Nd"), (UnicodeCategory.LetterNumber, "Nl"),
        (UnicodeCategory.OtherNumber, "No"), (UnicodeCategory.Format, "Cf"), (UnicodeCategory.PrivateUse, "Co"), (UnicodeCategory.DashPunctuation, "Pd"),
        (UnicodeCategory.OtherPunctuation, "Po"), (UnicodeCategory.MathSymbol, "Sm"), (UnicodeCategory.CurrencySymbol, "Sc"), (UnicodeCategory.ModifierSymbol, "Sk"),
        (UnicodeCategory.OtherSymbol, "So"), (UnicodeCategory.OtherNotAssigned, "Cn"),
    }.ToDictionary(entry => entry.Category, entry => CodePointPattern.TryCreate($@"\p{{{entry.Name}}}", out _)!);

    [Fact]
    public void Half_a_surrogate_pair_is_neither_letter_nor_space()
    {
        Assert.Equal(["a", "\uD83E", "b"], Cut("a\uD83Eb", Gpt2PreTokenizer.NextLength));
        Assert.Equal(["a", "\uD83Eb"], Cut("a\uD83Eb", Llama3PreTokenizer.NextLength));
        Assert.Equal([(1, 1)], CodePointPattern.TryCreate(@"\p{So}", out _)!.Matches("a\uDD99b"));
    }

    private static string Apply(string text, PreTokenizerStep step) => Words(new PreTokenizer([step]).Split(AlignedText.Of(text, 0, text.Length), true, track: false));

    private static string Words(PreTokens tokens) => string.Join('|', tokens.Words.Select(word => tokens.Text.Span.Slice(word.Start, word.Length).ToString()));

    private static List<string> Cut(string text, WordScanner scan)
    {
        var parts = new List<string>();
        for (int at = 0; at < text.Length; at += parts[^1].Length) parts.Add(text.Substring(at, scan(text.AsSpan(at))));
        return parts;
    }
}
