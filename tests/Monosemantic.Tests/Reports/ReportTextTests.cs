using Monosemantic.Reports;

namespace Monosemantic.Tests.Reports;

public sealed class ReportTextTests
{
    [Theory]
    [InlineData("plain text <b>", "plain text <b>")]
    [InlineData("\n", "↵")]
    [InlineData("a\r\nb", "a⟨U+000D⟩↵b")]
    [InlineData("\t", "⇥")]
    [InlineData("\0\u001B\u007F", "⟨U+0000⟩⟨U+001B⟩⟨U+007F⟩")]
    [InlineData("\u202Eevil", "⟨U+202E⟩evil")]
    [InlineData("\u200B\u2066\uFEFF", "⟨U+200B⟩⟨U+2066⟩⟨U+FEFF⟩")]
    [InlineData("\u2028\u2029\u0085", "⟨U+2028⟩⟨U+2029⟩⟨U+0085⟩")]
    [InlineData("\u00A0\u3000", "⟨U+00A0⟩⟨U+3000⟩")]
    [InlineData("\u0301x", "◌\u0301x")]
    [InlineData("e\u0301", "e\u0301")]
    [InlineData("中文 שלום", "中文 שלום")]
    public void Visible_text_shows_what_would_be_hidden(string text, string expected) => Assert.Equal(expected, VisibleText.Of(text));

    [Fact]
    public void Half_of_a_surrogate_pair_becomes_the_replacement_character()
    {
        Assert.Equal("\uFFFDx", VisibleText.Of("\uD800x"));
        Assert.Equal("x\uFFFD", VisibleText.Of("x\uDC00"));
    }

    [Fact]
    public void Visible_text_hides_no_character_of_the_basic_plane()
    {
        string all = string.Concat(Enumerable.Range(0, 0x10000).Select(c => $"{(char)c}x"));
        string visible = VisibleText.Of(all);
        Assert.DoesNotContain(visible, c => char.IsControl(c) || char.IsSurrogate(c) || (char.IsWhiteSpace(c) && c != ' ')
            || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format);
    }

    [Fact]
    public void Markup_keeps_its_own_tags_and_escapes_what_it_is_given()
    {
        string nasty = "<a href='x' title=\"y\">&\n";
        Assert.Equal("<p title=\"&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;↵\">12</p>", Markup.Of($"<p title=\"{nasty}\">{12}</p>").ToString());
    }

    [Fact]
    public void Markup_inside_markup_is_not_escaped_again()
    {
        Markup inner = Markup.Of($"<b>{"<"}</b>");
        Assert.Equal("<p><b>&lt;</b><b>&lt;</b></p>", Markup.Of($"<p>{inner}{new[] { inner }}</p>").ToString());
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1234.567, "1235")]
    [InlineData(0.000123456, "0.0001235")]
    [InlineData(0.0000123456, "1.235e-5")]
    [InlineData(-2.5, "-2.5")]
    [InlineData(12345678, "1.235e+7")]
    [InlineData(double.NaN, "–")]
    public void Short_numbers_have_four_significant_digits(double value, string expected) => Assert.Equal(expected, Numbers.Short(value));

    [Theory]
    [InlineData(1, "100 %")]
    [InlineData(0.0123456, "1.23 %")]
    [InlineData(0.0000001, "0.00001 %")]
    public void Percentages_have_three_significant_digits(double share, string expected) => Assert.Equal(expected, Numbers.Percent(share));

    [Fact]
    public void Distribution_counts_edges_into_the_bin_that_they_open_and_the_rest_into_the_ends()
    {
        var bins = Distribution.Of([-5, 0, 0.5, 0.999, 1, 1.5, 2, 7], 0, 2, 2);
        Assert.Equal([4L, 4L], bins.Counts);
    }

    [Fact]
    public void Quartiles_interpolate_between_neighbours() => Assert.Equal(new Quartiles(1.75, 2.5, 3.25), Quartiles.Of([1, 2, 3, 4]));
}
