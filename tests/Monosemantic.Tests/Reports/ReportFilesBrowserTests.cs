using Microsoft.Playwright;
using Monosemantic.Features;
using Monosemantic.Reports;

namespace Monosemantic.Tests.Reports;

/// <summary>What a report carries packed, and what lies in the folder beside it, in the browser.</summary>
[Trait("kind", "slow")]
public sealed class ReportFilesBrowserTests(ReportBrowserTests.Opened opened) : IClassFixture<ReportBrowserTests.Opened>
{
    private Browser Browser => opened.Browser;

    private IPage Page => Browser.Page;

    private ReportData Data => opened.Data;

    [Fact]
    public async Task Features_by_two_numbers_are_drawn_when_they_come_into_view_and_open_at_a_click()
    {
        await Browser.OpenAsync(opened.Path);
        Assert.True(await Browser.EvaluateAsync<bool>("globalThis.Plotly === undefined"));
        await Page.Locator("#explore-chart").ScrollIntoViewIfNeededAsync();
        await Page.WaitForSelectorAsync("#explore-chart .points path", new() { State = WaitForSelectorState.Attached });
        int firing = Data.Features.Count(f => f.Firings > 0 && f.TokenEntropy is not null);
        Assert.Equal(firing, await Page.Locator("#explore-chart .points path").CountAsync());
        await Page.SelectOptionAsync("#explore-y", "max");
        Assert.Equal("max activation", await Page.TextContentAsync("#explore-chart .ytitle"));
        await Browser.PictureAsync("explore");
        await Browser.EvaluateAsync<int>("(() => { document.getElementById('explore-chart').emit('plotly_click', { points: [{ customdata: 7 }] }); return 0; })()");
        Assert.EndsWith("#feature=7", Page.Url, StringComparison.Ordinal);
        Assert.Equal(new Uri(opened.Path).AbsoluteUri, Assert.Single(Browser.Requests));
        Assert.Empty(Browser.Errors);
    }

    [Fact]
    public async Task Neurons_that_were_not_scanned_are_named_beside_a_feature_and_lead_nowhere()
    {
        string path = Path.Combine(opened.Folder, "features alone.html");
        HtmlReport.Write(path, Data with { Neurons = [] });
        UnitEvidence unit = Data.Features.Single(f => f.Index == 123);
        string[] Near(UnitKind kind) => [.. unit.Neighbours.Where(near => near.Kind == kind).Select(near => kind == UnitKind.Neuron ? $"n{near.Index}" : $"{near.Index}")];
        await Browser.OpenAsync(path, "#feature=123");
        await Page.WaitForSelectorAsync("#unit .neighbours tbody tr");
        Assert.Equal(Near(UnitKind.Feature), await Browser.TextsAsync("#unit .neighbours a"));
        Assert.Equal([.. Near(UnitKind.Feature), .. Near(UnitKind.Neuron)], await Browser.TextsAsync("#unit .neighbours td:first-child"));
        Assert.NotEmpty(Near(UnitKind.Neuron));
        Assert.Empty(Browser.Errors);
    }

    [Fact]
    public async Task A_report_above_the_limit_is_a_page_and_a_folder_that_open_the_same_from_disk()
    {
        string home = Directory.CreateDirectory(Path.Combine(opened.Folder, "split & #1")).FullName, path = Path.Combine(home, "large report.html");
        string? folder = HtmlReport.Write(path, Data, largest: 10_000);
        Assert.Equal("large report-pages", Path.GetFileName(folder));
        Assert.Equal(((Data.Features.Length + 63) / 64) + ((Data.Neurons.Length + 63) / 64) + 3, Directory.GetFiles(folder!).Length);
        await Browser.OpenAsync(path, "#feature=123");
        await Page.WaitForSelectorAsync("#unit:not([aria-busy]) .evidence");
        Assert.Equal("Feature 123", await Page.TextContentAsync("#unit h2"));
        Assert.Equal(Data.Features.Single(f => f.Index == 123).Contexts.Length, await Page.Locator("#unit .contexts .text").CountAsync());
        await Browser.OpenAsync(path, "#features");
        await Page.WaitForSelectorAsync("#shown[data-whole]");
        await Page.FillAsync("#search", "exception");
        Assert.Contains($"of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"), StringComparison.Ordinal);
        Assert.All(Browser.Requests, request => Assert.StartsWith(new Uri(home + "/").AbsoluteUri, request, StringComparison.Ordinal));
        Assert.Empty(Browser.Errors);
        Assert.Null(HtmlReport.Write(path, Data));
    }
}
