using System.Text.Json;
using CsCheck;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

public sealed class NormalizerTests
{
    [Fact]
    public void The_four_forms_are_those_of_another_implementation()
    {
        // Written by Python's unicodedata: a text and its NFC, NFD, NFKC and NFKD.
        string path = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "unicode", "normalization.json");
        string[][] rows = JsonSerializer.Deserialize<string[][]>(File.ReadAllBytes(path))!;
        UnicodeForm[] forms = [new(true, false), new(false, false), new(true, true), new(false, true)];
        Assert.True(rows.Length > 400);
        foreach (string[] row in rows)
        {
            for (int i = 0; i < forms.Length; i++) Assert.Equal(row[1 + i], forms[i].Apply(row[0]));
        }
    }

    [Fact]
    public void Normalizing_twice_changes_nothing_and_parts_can_be_normalized_alone() => JsonTokenizer.AnyText.Sample(text =>
    {
        var form = new UnicodeForm(compose: true, compatibility: false);
        string once = form.Apply(text);
        Assert.Equal(once, form.Apply(once));
        Assert.Equal(once, form.Apply(new UnicodeForm(compose: false, compatibility: false).Apply(text)));
        Assert.Equal($"{once} x", form.Apply(text + " x"));
    });

    [Fact]
    public void Composed_characters_come_from_all_that_was_composed()
    {
        AlignedText text = Apply(new UnicodeForm(true, false), "xe\u0301y");
        Assert.Equal("x\u00e9y", text.Span.ToString());
        Assert.Equal([(0, 1), (1, 3), (3, 4)], Ranges(text));
    }

    [Fact]
    public void Lower_case_is_the_same_everywhere()
    {
        Assert.Equal("äßi\u0307σ𐐨", new LowercaseNormalizer().Apply("ÄẞİΣ𐐀"));
        Assert.Equal([(0, 1), (1, 2), (1, 2), (2, 3)], Ranges(Apply(new LowercaseNormalizer(), "Aİx")));
    }

    [Fact]
    public void Ends_are_stripped_on_the_sides_that_are_asked_for()
    {
        Assert.Equal("a b\t", new StripNormalizer(left: true, right: false).Apply(" \u00a0a b\t"));
        Assert.Equal(" a b", new StripNormalizer(left: false, right: true).Apply(" a b\u2003"));
        Assert.Equal("", new StripNormalizer(left: true, right: true).Apply("  "));
        Assert.Equal([(1, 2)], Ranges(Apply(new StripNormalizer(true, true), " a ")));
    }

    [Fact]
    public void Replacing_and_prepending_keep_track_of_origins()
    {
        var steps = new NormalizerSequence([new PrependNormalizer("▁"), new ReplaceNormalizer(CodePointPattern.TryCreate(" +", out _)!, "▁▁")]);
        AlignedText text = Apply(steps, "a   b");
        Assert.Equal("▁a▁▁b", text.Span.ToString());
        Assert.Equal([(0, 0), (0, 1), (1, 4), (1, 4), (4, 5)], Ranges(text));
        Assert.Equal("", steps.Apply(""));
        Assert.Equal("a_b_", new ReplaceCharacterNormalizer(' ', '_').Apply("a b "));
    }

    [Fact]
    public void What_is_tracked_is_what_is_not_tracked() => JsonTokenizer.AnyText.Sample(text =>
    {
        TextNormalizer all = new NormalizerSequence([new UnicodeForm(true, true), new LowercaseNormalizer(), new PrependNormalizer("x"), new ReplaceNormalizer(CodePointPattern.Literal("t"), "uv")]);
        AlignedText tracked = Apply(all, text);
        Assert.Equal(all.Apply(text), tracked.Span.ToString());
        int last = 0;
        foreach ((int start, int end) in Ranges(tracked))
        {
            Assert.InRange(start, last, text.Length);
            Assert.InRange(end, start, text.Length);
            last = start;
        }
    });

    private static AlignedText Apply(TextNormalizer normalizer, string text) => normalizer.Apply(AlignedText.Of(text, 0, text.Length), track: true);

    private static List<(int Start, int End)> Ranges(AlignedText text) => [.. Enumerable.Range(0, text.Chars.Length).Select(i => (text.StartOf(i), text.EndOf(i)))];
}
