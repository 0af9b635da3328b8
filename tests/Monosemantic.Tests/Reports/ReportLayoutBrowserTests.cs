using Microsoft.Playwright;
using Monosemantic.Features;
using Monosemantic.Reports;

namespace Monosemantic.Tests.Reports;

/// <summary>What is shown where there is room for it, and where there is not; what happens where the list is drawn anew.</summary>
[Trait("kind", "slow")]
public sealed class ReportLayoutBrowserTests(ReportBrowserTests.Opened opened) : IClassFixture<ReportBrowserTests.Opened>
{
    private Browser Browser => opened.Browser;

    private IPage Page => Browser.Page;

    private ReportData Data => opened.Data;

    [Fact]
    public async Task Row_that_is_drawn_anew_while_it_is_pressed_opens_all_the_same()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        await Page.HoverAsync("tr[data-place='2']");
        string index = (await Page.GetAttributeAsync("tr[data-place='2']", "data-index"))!;
        await Page.Mouse.DownAsync();
        await Browser.EvaluateAsync<bool>("(rows => (rows.replaceChildren(...[...rows.children].map(row => row.cloneNode(true))), true))(document.querySelector('#rows tbody'))");
        await Page.Mouse.UpAsync();
        Assert.Equal($"#feature={index}", await Browser.EvaluateAsync<string>("location.hash"));
    }

    [Theory]
    [InlineData("purity")]
    [InlineData("consistency")]
    [InlineData("byContext")]
    public async Task Scores_sort_the_list_and_show_their_column_then(string key)
    {
        double? Value(UnitEvidence unit) => Numbers.Rounded(key switch { "purity" => unit.Purity, "consistency" => unit.DecileConsistency, _ => unit.ContextPredictability }, 3);
        await Browser.OpenAsync(opened.Path, "#features");
        Assert.False(await Page.IsVisibleAsync($"th.c-{key}"));
        await Page.SelectOptionAsync("#sort", $"{key} false");
        int[] expected = [.. Data.Features.OrderBy(unit => Value(unit) is null).ThenByDescending(unit => Value(unit) ?? 0).ThenBy(unit => unit.Index).Take(20).Select(unit => unit.Index)];
        Assert.Equal(expected, (await Browser.EvaluateAsync<int[]>("[...document.querySelectorAll('#rows tr[data-index]')].map(r => Number(r.dataset.index))")).Take(20));
        Assert.True(await Page.IsVisibleAsync($"th.c-{key}"));
        Assert.Equal("descending", await Page.GetAttributeAsync($"th.c-{key}", "aria-sort"));
        await Page.FillAsync("#search", $"{key}>=0.4");
        Assert.Equal($"{Data.Features.Count(unit => Value(unit) >= 0.4)} of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"));
    }

    [Fact]
    public async Task Token_that_the_search_found_is_framed_and_stands_first_where_it_is_not_among_the_first()
    {
        string TextOf(TokenEvidence token) => Data.Vocabulary[token.Token].Trim();
        bool Holds(TokenEvidence token, string text) => TextOf(token).Contains(text, StringComparison.OrdinalIgnoreCase);
        (UnitEvidence unit, string late) = Data.Neurons.Select(f => (f, f.Tokens.Length > 10 ? TextOf(f.Tokens[^1]) : "")).First(pair => pair.Item2.Length > 4 && pair.Item2.All(char.IsAsciiLetter) && !pair.f.Tokens.SkipLast(1).Any(token => Holds(token, pair.Item2)));
        string row = $"tr[data-index='{unit.Index}'] .c-top .token";
        await Browser.OpenAsync(opened.Path, "#neurons");
        await Page.WaitForSelectorAsync("#shown[data-whole]");
        await Page.FillAsync("#search", $"{late} firings>={unit.Firings} firings<={unit.Firings}");
        Assert.Equal(late, Shown((await Browser.TextsAsync($"{row}.found"))[0]));
        Assert.Equal(late, Shown((await Browser.TextsAsync(row))[0]));
        int shown = (await Browser.TextsAsync(row)).Count;
        await Page.FillAsync("#search", $"firings>={unit.Firings} firings<={unit.Firings}");
        Assert.Empty(await Browser.TextsAsync($"{row}.found"));
        Assert.NotEqual(late, Shown((await Browser.TextsAsync(row))[0]));
        Assert.Equal(shown - 1, (await Browser.TextsAsync(row)).Count);
    }

    private static string Shown(string token) => token.Trim('·', ' ');

    [Fact]
    public async Task On_paper_long_parts_begin_where_the_last_one_ended()
    {
        await Browser.OpenAsync(opened.Path, "#feature=123");
        await Page.EmulateMediaAsync(new() { Media = Media.Print });
        string[] breaks = await Browser.EvaluateAsync<string[]>("['.contexts', '.tokens', '.contexts li', '.logits'].map(part => getComputedStyle(document.querySelector('#unit ' + part)).breakInside)");
        Assert.Equal(["auto", "auto", "avoid", "avoid"], breaks);
        await Page.EmulateMediaAsync(new() { Media = Media.Screen });
    }

    [Fact]
    public async Task A_neighbour_takes_one_line()
    {
        await Browser.OpenAsync(opened.Path, "#feature=123");
        await Page.WaitForSelectorAsync("#unit .neighbours tbody tr");
        Assert.InRange(await Browser.EvaluateAsync<double>("Math.max(...[...document.querySelectorAll('#unit .neighbours tbody tr')].map(row => row.offsetHeight))"), 15, 40);
    }

    [Fact]
    public async Task On_a_phone_the_choice_of_order_can_be_read()
    {
        await Page.SetViewportSizeAsync(360, 740);
        await Browser.OpenAsync(opened.Path, "#features");
        Assert.InRange(await Browser.EvaluateAsync<double>("document.querySelector('#sort').getBoundingClientRect().width"), 200, 360);
        Assert.False(await Browser.EvaluateAsync<bool>("document.documentElement.scrollWidth > 360"));
        await Page.SetViewportSizeAsync(1440, 900);
    }
}
