using System.Diagnostics;
using System.Globalization;
using Microsoft.Playwright;
using Monosemantic.Features;
using Monosemantic.Reports;

namespace Monosemantic.Tests.Reports;

[Trait("kind", "slow")]
public sealed class ReportBrowserTests(ReportBrowserTests.Opened opened) : IClassFixture<ReportBrowserTests.Opened>
{
    private Browser Browser => opened.Browser;

    private IPage Page => Browser.Page;

    private ReportData Data => opened.Data;

    [Fact]
    public async Task Report_asks_for_nothing_beyond_its_file_and_shows_no_error()
    {
        foreach (string anchor in new[] { "", "#features", "#neurons", "#feature=3", "#neuron=5", "#feature=99999", "#feature=40" })
        {
            await Browser.OpenAsync(opened.Path, anchor);
            await Page.EvaluateAsync("() => new Promise(r => requestAnimationFrame(() => setTimeout(r, 50)))");
            Assert.Equal(new Uri(opened.Path).AbsoluteUri, Assert.Single(Browser.Requests));
        }
        Assert.Empty(Browser.Errors);
    }

    [Fact]
    public async Task Column_heading_sorts_the_list_both_ways()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        foreach ((string key, Func<UnitEvidence, double?> value, bool ascendingFirst) in Sorts())
        {
            await Page.ClickAsync($"th[data-key={key}] button");
            Assert.Equal(Expected(value, ascendingFirst), await Indices());
            await Page.ClickAsync($"th[data-key={key}] button");
            Assert.Equal(Expected(value, !ascendingFirst), await Indices());
        }
    }

    [Fact]
    public async Task Search_keeps_the_features_whose_tokens_or_contexts_hold_the_text()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        await Searchable();
        await Page.FillAsync("#search", "Exception");
        int expected = Data.Features.Count(f => f.Tokens.Any(t => Holds(Text(t.Token), "exception"))
            || f.Contexts.Any(c => Holds(string.Concat(c.Tokens.Select(Text)), "exception")));
        Assert.InRange(expected, 1, Data.Features.Length - 1);
        Assert.Equal($"{expected} of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"));
        await Page.SelectOptionAsync("#scope", "tokens");
        int byToken = Data.Features.Count(f => f.Tokens.Any(t => Holds(Text(t.Token), "exception")));
        Assert.InRange(byToken, 1, expected - 1);
        Assert.Equal($"{byToken} of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"));
        await Page.FillAsync("#search", "#17");
        int[] seventeenth = [17];
        Assert.Equal(seventeenth, await Indices());
        await Page.FillAsync("#search", "no such text anywhere");
        Assert.Equal("Nothing matches.", Assert.Single(await Browser.TextsAsync("#rows .nothing")));
    }

    [Fact]
    public async Task Click_opens_a_feature_with_the_numbers_and_texts_of_the_data()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        await Page.ClickAsync("tr[data-place='2']");
        int index = await Browser.EvaluateAsync<int>("Number(location.hash.slice('#feature='.length))");
        await ShowsUnit(Data.Features.Single(f => f.Index == index), "Feature");
    }

    [Theory]
    [InlineData(UnitKind.Feature, 123)]
    [InlineData(UnitKind.Neuron, 5)]
    public async Task Deep_link_opens_its_unit(UnitKind kind, int index)
    {
        await Browser.OpenAsync(opened.Path, $"#{kind.ToString().ToLowerInvariant()}={index}");
        var units = kind == UnitKind.Feature ? Data.Features : Data.Neurons;
        await ShowsUnit(units.Single(u => u.Index == index), kind.ToString());
    }

    [Fact]
    public async Task Unit_that_never_fires_and_unit_that_is_not_there_say_so()
    {
        await Browser.OpenAsync(opened.Path, "#feature=40");
        await Page.WaitForSelectorAsync("#unit:not([aria-busy]) .evidence");
        Assert.Contains("It fires nowhere", await Page.TextContentAsync("#unit"), StringComparison.Ordinal);
        await Browser.OpenAsync(opened.Path, "#feature=99999");
        Assert.Contains("There is no feature 99999", await Page.TextContentAsync("#unit"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keyboard_searches_moves_opens_and_goes_back()
    {
        await Browser.OpenAsync(opened.Path);
        await Page.Keyboard.PressAsync("/");
        await Page.WaitForSelectorAsync("#search:focus");
        await Searchable();
        await Page.Keyboard.TypeAsync("value");
        await Page.Keyboard.PressAsync("ArrowDown");
        await Page.Keyboard.PressAsync("ArrowDown");
        int active = int.Parse((await Page.GetAttributeAsync("tr.active", "data-index"))!, CultureInfo.InvariantCulture);
        Assert.Equal("2", await Page.GetAttributeAsync("tr.active", "data-place"));
        await Page.Keyboard.PressAsync("Enter");
        await Page.WaitForSelectorAsync("#unit h2");
        Assert.Equal($"Feature {active}", await Page.TextContentAsync("#unit h2"));
        await Page.Keyboard.PressAsync("ArrowDown");
        Assert.NotEqual($"Feature {active}", await Page.TextContentAsync("#unit h2"));
        await Page.Keyboard.PressAsync("k");
        Assert.Equal($"Feature {active}", await Page.TextContentAsync("#unit h2"));
        await Page.Keyboard.PressAsync("Escape");
        await Page.WaitForSelectorAsync("#unit[hidden]", new() { State = WaitForSelectorState.Attached });
        Assert.EndsWith("#features", Page.Url, StringComparison.Ordinal);
        Assert.True(await Page.IsVisibleAsync("tr.active"));
    }

    [Fact]
    public async Task Keyboard_walks_along_the_firing_tokens_and_reads_their_values()
    {
        await Browser.OpenAsync(opened.Path, "#neuron=5");
        ILocator context = Page.Locator(".contexts .text").First;
        await context.Locator(".peak").FocusAsync();
        Assert.Equal($"activation {await Page.TextContentAsync(".contexts .value >> nth=0")}", await Page.TextContentAsync("#readout"));
        await context.Locator(".on").First.FocusAsync();
        await Page.Keyboard.PressAsync("ArrowRight");
        string second = (await context.Locator(".on").Nth(1).GetAttributeAsync("data-value"))!;
        Assert.Equal($"activation {second}", await Page.TextContentAsync("#readout"));
        Assert.Equal($"activation {second}", await context.Locator(".on").Nth(1).GetAttributeAsync("aria-description"));
    }

    [Fact]
    public async Task List_draws_only_what_can_be_seen_and_scrolls_to_the_end()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        Assert.InRange((await Indices()).Length, 10, 80);
        await Page.FocusAsync("#rows table");
        await Page.Keyboard.PressAsync("End");
        Assert.Equal($"{Data.Features.Length - 1}", await Page.GetAttributeAsync("tr.active", "data-place"));
        Assert.True(await Page.Locator("tr.active").IsVisibleAsync());
        Assert.Equal($"{Data.Features.Length + 1}", await Page.GetAttributeAsync("#rows table", "aria-rowcount"));
    }

    [Fact]
    public async Task Hostile_tokens_are_text_and_nothing_else()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        foreach (UnitEvidence unit in Data.Features.Where(u => u.Tokens.Any(t => t.Token >= SyntheticReport.WordCount)).Take(60))
            await Page.EvaluateAsync($"location.hash = '#feature={unit.Index}'");
        await Page.WaitForSelectorAsync("#unit:not([aria-busy]) .evidence");
        await Page.WaitForTimeoutAsync(200);
        Assert.True(await Browser.EvaluateAsync<bool>("window.pwned === undefined"));
        Assert.Equal(0, await Page.Locator("main img, main svg[onload], main [onerror], main [onmouseover], #explorer script:not([type='application/json']):not([type='application/octet-stream'])").CountAsync());
        Assert.Empty(Browser.Errors);
    }

    [Fact]
    public async Task Dark_mode_is_dark_and_light_mode_light()
    {
        await Browser.OpenAsync(opened.Path);
        Assert.InRange(await Brightness(), 200, 255);
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        Assert.InRange(await Brightness(), 0, 60);
        await Browser.PictureAsync("overview-dark");
        await Browser.OpenAsync(opened.Path, "#feature=123");
        await Browser.PictureAsync("feature-dark");
        await Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
    }

    [Fact]
    public async Task Nothing_is_wider_than_a_phone()
    {
        await Page.SetViewportSizeAsync(360, 740);
        foreach (string anchor in new[] { "", "#features", "#neurons", "#feature=123", "#neuron=5", "#feature=40" })
        {
            await Browser.OpenAsync(opened.Path, anchor);
            Assert.Equal(360, await Browser.EvaluateAsync<int>("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"));
            await Browser.PictureAsync($"phone{anchor.Replace('#', '-').Replace('=', '-')}");
        }
        await Page.SetViewportSizeAsync(1440, 900);
    }

    [Fact]
    public async Task Conditions_and_the_filter_keep_what_they_name()
    {
        await Browser.OpenAsync(opened.Path, "#features");
        await Page.FillAsync("#search", "max>5 entropy<2");
        int expected = Data.Features.Count(f => Numbers.Rounded(f.Max) > 5 && Numbers.Rounded(f.TokenEntropy) < 2);
        Assert.InRange(expected, 1, Data.Features.Length - 1);
        Assert.Equal($"{expected} of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"));
        await Page.FillAsync("#search", "");
        await Page.SelectOptionAsync("#filter", "dead");
        Assert.Equal($"{Data.Features.Count(f => f.Firings == 0)} of {Data.Features.Length} features match", await Page.TextContentAsync("#shown"));
    }

    [Fact]
    public async Task Bookmarks_and_notes_stay_in_the_browser_and_are_exported()
    {
        await Browser.OpenAsync(opened.Path, "#feature=7");
        await Page.ClickAsync("#star");
        await Page.FillAsync(".own-note", "</textarea><script>window.pwned=1</script> mine");
        await Browser.OpenAsync(opened.Path, "#feature=7");
        Assert.Equal("true", await Page.GetAttributeAsync("#star", "aria-pressed"));
        Assert.Contains("mine", await Page.InputValueAsync(".own-note"), StringComparison.Ordinal);
        await Browser.OpenAsync(opened.Path, "#features");
        await Page.SelectOptionAsync("#filter", "marked");
        int[] seventh = [7];
        Assert.Equal(seventh, await Indices());
        IDownload download = await Page.RunAndWaitForDownloadAsync(() => Page.ClickAsync("#export"));
        string saved = await File.ReadAllTextAsync((await download.PathAsync())!, TestContext.Current.CancellationToken);
        Assert.Contains("\"index\": 7", saved, StringComparison.Ordinal);
        Assert.True(await Browser.EvaluateAsync<bool>("window.pwned === undefined"));
        await Page.EvaluateAsync("localStorage.clear()");
    }

    [Fact]
    public async Task A_neighbour_is_one_click_away_and_a_point_of_the_map_opens_its_feature()
    {
        await Browser.OpenAsync(opened.Path, "#feature=7");
        await Page.WaitForSelectorAsync("#unit:not([aria-busy]) .evidence");
        string neighbour = (await Page.GetAttributeAsync("#unit .neighbours a >> nth=0", "href"))!;
        await Page.ClickAsync("#unit .neighbours a >> nth=0");
        await Browser.WaitUntilAsync($"location.hash === '{neighbour}' && document.querySelector('#unit h2').textContent === 'Feature {neighbour.Split('=')[1]}'");
        await Browser.OpenAsync(opened.Path);
        await Page.Locator("#map-canvas").ScrollIntoViewIfNeededAsync();
        double[] at = await Browser.EvaluateAsync<double[]>("(() => { const c = document.getElementById('map-canvas'); const b = c.getBoundingClientRect(); const n = c.getContext('2d'); const d = n.getImageData(0, 0, c.width, c.height).data; for (let i = 3; i < d.length; i += 4) if (d[i] > 120) { const p = (i - 3) / 4; return [b.left + (p % c.width) * b.width / c.width, b.top + Math.floor(p / c.width) * b.height / c.height]; } return [0, 0]; })()");
        Assert.True(at[0] > 0, "the map is empty");
        await Page.Mouse.ClickAsync((float)at[0], (float)at[1]);
        Assert.Matches("#feature=[0-9]+$", Page.Url);
    }

    [Fact]
    public async Task Report_of_a_real_dictionarys_size_opens_and_searches()
    {
        string path = Path.Combine(opened.Folder, "large.html");
        ReportData data = SyntheticReport.Make(16_384, 128);
        var watch = Stopwatch.StartNew();
        HtmlReport.Write(path, data);
        long writing = watch.ElapsedMilliseconds;
        watch.Restart();
        await Browser.OpenAsync(path, "#features");
        await Page.WaitForSelectorAsync("tr.active");
        long opening = watch.ElapsedMilliseconds;
        string inside = await Browser.EvaluateAsync<string>("(() => { const n = performance.getEntriesByType('navigation')[0]; return Math.round(n.domInteractive) + ' ms parsed, ' + Math.round(n.domComplete) + ' ms complete' })()");
        watch.Restart();
        await Page.FillAsync("#search", "exception");
        long searching = watch.ElapsedMilliseconds;
        await Searchable();
        long whole = watch.ElapsedMilliseconds;
        double page = await Browser.EvaluateAsync<double>("(async () => { const wait = () => new Promise(r => requestAnimationFrame(r)); const t = performance.now(); location.hash = '#feature=9000'; while (!document.querySelector('#unit .evidence')) await wait(); return performance.now() - t; })()");
        double each = (double)new FileInfo(path).Length / 16_512;
        TestContext.Current.TestOutputHelper?.WriteLine($"{new FileInfo(path).Length:N0} bytes ({each:N0} per unit) written in {writing} ms; opened in {opening} ms ({inside}), searched in {searching} ms, all contexts searchable after {whole} ms, a page in {page:F0} ms");
        await Page.GotoAsync("about:blank");
        await Browser.OpenAsync(path, "#features");
        await Searchable();
        await Page.FillAsync("#search", "exception");
        Assert.Contains("of 16,384 features match", await Page.TextContentAsync("#shown"), StringComparison.Ordinal);
        await Browser.PictureAsync("search");
    }

    [Fact]
    public async Task Pictures_can_be_kept_of_every_view()
    {
        foreach (string anchor in new[] { "", "#features", "#neurons", "#feature=123", "#neuron=5" })
        {
            await Browser.OpenAsync(opened.Path, anchor);
            await Browser.PictureAsync($"light{anchor.Replace('#', '-').Replace('=', '-')}");
            Assert.Equal(anchor.Contains('=', StringComparison.Ordinal), await Page.IsVisibleAsync("#unit"));
            Assert.Equal(anchor.Length == 0, await Page.IsVisibleAsync("#overview"));
        }
    }

    [Fact]
    public async Task Print_leaves_out_what_is_for_the_screen()
    {
        await Browser.OpenAsync(opened.Path, "#feature=123");
        await Page.EmulateMediaAsync(new() { Media = Media.Print });
        Assert.False(await Page.IsVisibleAsync("#search"));
        Assert.False(await Page.IsVisibleAsync(".top nav"));
        Assert.True(await Page.IsVisibleAsync(".contexts"));
        await Browser.PictureAsync("print");
        await Page.EmulateMediaAsync(new() { Media = Media.Screen });
    }

    private async Task ShowsUnit(UnitEvidence unit, string kind)
    {
        await Page.WaitForSelectorAsync("#unit:not([aria-busy]) .evidence");
        Assert.Equal($"{kind} {unit.Index}", await Page.TextContentAsync("#unit h2"));
        Assert.Equal(Shown(unit), await Browser.TextsAsync("#unit .numbers dd"));
        string[] tokens = [.. unit.Tokens.Select(t => Marked(Text(t.Token)))];
        Assert.Equal(tokens, await Browser.TextsAsync("#unit .tokens tbody th"));
        string[] counts = [.. unit.Tokens.Select(t => Numbers.Count(t.Count))];
        Assert.Equal(counts, await Browser.TextsAsync("#unit .tokens tbody td:nth-child(2)"));
        string[] shares = [.. unit.Tokens.Select(t => Numbers.Percent((double)t.Count / t.Occurrences))];
        Assert.Equal(shares, await Browser.TextsAsync("#unit .tokens tbody td:nth-child(3)"));
        string[] contexts = [.. unit.Contexts.Select(c => string.Concat(c.Tokens.Select(Text)))];
        Assert.Equal(contexts, await Browser.TextsAsync("#unit .contexts .text"));
        string[] peaks = [.. unit.Contexts.Select(c => Word(Text(c.Tokens[c.Peak])))];
        Assert.Equal(peaks, await Browser.TextsAsync("#unit .contexts .text .peak"));
        string[] effects = [.. unit.Contexts.Where(c => c.AblationLoss is not null).Select(c => Change(Numbers.Rounded(c.AblationLoss, 3)!.Value))];
        Assert.Equal(effects, await Browser.TextsAsync("#unit .contexts .effect"));
        int firing = unit.Contexts.Sum(c => c.Activations.Count(a => a > 0));
        Assert.Equal(firing, await Page.Locator("#unit .contexts .text .on").CountAsync());
        string[] random = [.. unit.Groups.SelectMany(g => g.Contexts).Select(c => string.Concat(c.Tokens.Select(Text)))];
        Assert.Equal(random, await Browser.TextsAsync("#unit .groups .text"));
        string[] near = [.. unit.Neighbours.Select(n => n.Kind == UnitKind.Neuron ? $"n{n.Index}" : $"{n.Index}")];
        Assert.Equal(near, await Browser.TextsAsync("#unit .neighbours a"));
        string[] promoted = [.. unit.Promoted.Select(e => Marked(Text(e.Token)) + "+" + Numbers.Short(e.Logit))];
        Assert.Equal(promoted, await Browser.TextsAsync("#unit .logits .up tbody tr"));
    }

    private static string Change(double value) => string.Create(CultureInfo.InvariantCulture, $"Δ {(Math.Abs(value) < 0.005 ? "" : value > 0 ? "+" : "−")}{Math.Abs(value):F2}");

    private static string[] Shown(UnitEvidence unit) =>
        [Numbers.Percent(unit.Density), Numbers.Count(unit.Firings), Numbers.Short(unit.Mean), Numbers.Short(unit.Max), .. unit.AblationLoss is { } loss ? new[] { $"+{Numbers.Short(loss)}" } : [], .. Scores(unit), $"{Numbers.Short(unit.TokenEntropy)} bits"];

    private static IEnumerable<string> Scores(UnitEvidence unit)
    {
        if (unit.Purity is { } purity) yield return Numbers.Percent(Numbers.Rounded(purity, 3)!.Value);
        if (unit.DecileConsistency is { } consistency) yield return Numbers.Short(consistency);
        if (unit.TokenPredictability is { } byToken) yield return Numbers.Percent(byToken);
        if (unit.ContextPredictability is { } byContext) yield return Numbers.Percent(byContext);
    }

    private static IEnumerable<(string Key, Func<UnitEvidence, double?> Value, bool AscendingFirst)> Sorts() =>
    [
        ("index", u => u.Index, true),
        ("density", u => Numbers.Rounded(u.Density), false),
        ("firings", u => u.Firings, false),
        ("mean", u => Numbers.Rounded(u.Mean), false),
        ("entropy", u => Numbers.Rounded(u.TokenEntropy), true),
        ("max", u => Numbers.Rounded(u.Max), false),
    ];

    // The rows drawn from the top, of all in order: what has no value last, equals by index.
    private int[] Expected(Func<UnitEvidence, double?> value, bool ascending) => [.. Data.Features
        .OrderBy(u => value(u) is null).ThenBy(u => (ascending ? 1 : -1) * (value(u) ?? 0)).ThenBy(u => u.Index).Take(20).Select(u => u.Index)];

    private async Task<int[]> Indices()
    {
        int[] all = await Browser.EvaluateAsync<int[]>("[...document.querySelectorAll('#rows tr[data-index]')].map(r => Number(r.dataset.index))");
        return all.Length > 20 ? all[..20] : all;
    }

    private string Text(int token) => Data.Vocabulary[token] is { Length: > 0 } text ? VisibleText.Of(text) : $"⟨token {token}⟩";

    // What is coloured of a token: not the spaces before its word.
    private static string Word(string text) => text.Trim(' ').Length > 0 ? text.TrimStart(' ') : text;

    // A token standing alone shows the spaces at its ends as dots.
    private static string Marked(string text)
    {
        string start = text.TrimStart(' ');
        string inner = start.TrimEnd(' ');
        return new string('·', text.Length - start.Length) + inner + new string('·', start.Length - inner.Length);
    }

    private Task<Microsoft.Playwright.IElementHandle?> Searchable() => Page.WaitForSelectorAsync("#shown[data-whole]");

    private static bool Holds(string text, string query) => text.Contains(query, StringComparison.OrdinalIgnoreCase);

    private Task<double> Brightness() => Browser.EvaluateAsync<double>("(() => { const c = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return (c[0] + c[1] + c[2]) / 3 })()");

    /// <summary>One browser and one report for all tests of the class, which run one after the other.</summary>
    public sealed class Opened : IAsyncLifetime
    {
        private Browser? _browser;

        public Browser Browser
        {
            get
            {
                Browser.SkipWithoutChromium();
                return _browser ?? throw new InvalidOperationException("asked for before it was started");
            }
        }

        public string Folder { get; } = Directory.CreateTempSubdirectory("monosemantic-report-").FullName;

        public ReportData Data { get; } = SyntheticReport.Make();

        public string Path => System.IO.Path.Combine(Folder, "report.html");

        public async ValueTask InitializeAsync()
        {
            HtmlReport.Write(Path, Data);
            if (Browser.Executable is not null) _browser = await Browser.LaunchAsync();
        }

        public async ValueTask DisposeAsync()
        {
            if (_browser is not null) await _browser.DisposeAsync();
            Directory.Delete(Folder, recursive: true);
        }
    }
}
