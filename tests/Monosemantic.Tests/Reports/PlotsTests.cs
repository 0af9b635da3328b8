using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Models;
using Monosemantic.Reports;
using Monosemantic.Runtime;
using Monosemantic.Training;
using Plotly.NET;

namespace Monosemantic.Tests.Reports;

public sealed class PlotsTests(PlotsTests.Written written) : IClassFixture<PlotsTests.Written>
{
    private FeatureIndex Index => written.Index;

    public static TheoryData<string> Charts() => [.. Made(null!).Keys];

    [Theory]
    [MemberData(nameof(Charts))]
    public void The_same_data_give_the_same_chart_and_the_same_still_picture(string name)
    {
        GenericChart first = Made(Index)[name](), second = Made(Index)[name]();
        Assert.Equal(RichHtml.PlotlyJson(first), RichHtml.PlotlyJson(second));
        string svg = RichHtml.Of(first)!;
        Assert.Equal(svg, RichHtml.Of(second));
        // Well-formed, and nothing in it that could act or ask.
        var drawn = System.Xml.Linq.XDocument.Parse(svg);
        Assert.DoesNotContain(drawn.Descendants(), element => element.Name.LocalName is "script" or "image" or "a" or "foreignObject" || element.Attributes().Any(attribute => attribute.Name.LocalName.StartsWith("on", StringComparison.OrdinalIgnoreCase) || attribute.Value.Contains("NaN", StringComparison.Ordinal)));
        Assert.True(drawn.Descendants().Count() > 10);
        Assert.Equal(ChartPage.Render(name, first), ChartPage.Render(name, second));
    }

    [Fact]
    public void The_density_histogram_counts_every_feature_that_fires()
    {
        JsonNode figure = Figure(Plots.DensityHistogram(Index));
        Assert.Equal(Index.Features.Count(unit => unit.Firings > 0), figure["data"]![0]!["y"]!.AsArray().Sum(count => (int)count!));
        Assert.Contains($"{Index.Features.Count(unit => unit.Firings == 0)} never fire", (string?)figure["layout"]!["title"]!["text"], StringComparison.Ordinal);
    }

    [Fact]
    public void The_map_has_a_point_for_every_feature_and_the_heat_map_a_row_for_every_context()
    {
        JsonNode map = Figure(Plots.FeatureMap(Index))["data"]![0]!;
        Assert.Equal(Index.Features.Length, map["x"]!.AsArray().Count);
        UnitEvidence unit = Index.Features.First(feature => feature.Contexts.Length > 2);
        JsonArray rows = Figure(Plots.ActivationHeatmap(Index, unit.Index))["data"]![0]!["z"]!.AsArray();
        Assert.Equal(unit.Contexts.Length, rows.Count);
        Assert.All(rows.Zip(unit.Contexts), pair => Assert.Equal(pair.Second.Activations[pair.Second.Peak], (double)pair.First![8]!, 1e-3 * unit.Max));
        Assert.Contains("features are 0..", Assert.Throws<UserErrorException>(() => Plots.ActivationHeatmap(Index, 100_000)).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void The_front_of_a_pareto_chart_holds_what_nothing_beats_in_both()
    {
        JsonNode figure = Figure(Plots.Pareto([new("worse", 20, 0.5), new("sparse", 10, 0.4), new("exact", 30, 0.2), new("also worse", 40, 0.2)]));
        double[] front = [10, 30];
        Assert.Equal(front, figure["data"]![0]!["x"]!.AsArray().Select(value => (double)value!));
        Assert.Equal(4, figure["data"]![1]!["x"]!.AsArray().Count);
    }

    [Fact]
    public async Task Pages_of_charts_draw_hostile_text_literally_ask_for_nothing_and_follow_dark_mode()
    {
        await using Browser browser = await Browser.LaunchAsync();
        string path = Path.Combine(written.Folder, "charts.html");
        ImmutableArray<GenericChart> charts = [.. Made(Index).Values.Select(make => make())];
        ChartPage.Write(path, "</title><script>window.pwned=1</script>", charts);
        await browser.OpenAsync(path);
        await browser.WaitUntilAsync($"document.querySelectorAll('.chart .main-svg').length >= {charts.Length}");
        Assert.Equal(0, await browser.Page.Locator(".chart a[href], .chart img, .chart script").CountAsync());
        Assert.True(await browser.EvaluateAsync<bool>("window.pwned === undefined"));
        Assert.Contains("<b>bold</b>", string.Concat(await browser.TextsAsync(".chart text")), StringComparison.Ordinal);
        await browser.PictureAsync("charts");
        await browser.Page.EmulateMediaAsync(new() { ColorScheme = Microsoft.Playwright.ColorScheme.Dark });
        await browser.WaitUntilAsync("getComputedStyle(document.querySelector('.chart .main-svg')).backgroundColor === 'rgb(22, 24, 29)'");
        Assert.Equal(new Uri(path).AbsoluteUri, Assert.Single(browser.Requests));
        Assert.Empty(browser.Errors);
    }

    [Fact]
    public void Library_types_show_themselves_by_the_convention_of_the_kernel()
    {
        Type[] shown = [.. typeof(Plots).Assembly.GetExportedTypes().Where(type => type.GetCustomAttributes(true).Any(attribute => attribute.GetType().Name == "TypeFormatterSourceAttribute"))];
        Type[] expected = [typeof(EvaluationResult), typeof(FeatureIndex), typeof(FeatureIndexCard), typeof(FeatureView), typeof(QueryResult)];
        Assert.Equal(expected.Select(type => type.Name).Order(), shown.Select(type => type.Name).Order());
        foreach (object value in new object[] { Index, Index.Card, Index.Card.Evaluation!, Index.Feature(0), new QueryResult(["a"], [[1], ["</td><script>"]]) })
        {
            // What .NET Interactive does, by name alone.
            object attribute = value.GetType().GetCustomAttributes(true).Single(found => found.GetType().Name == "TypeFormatterSourceAttribute");
            object source = Activator.CreateInstance((Type)attribute.GetType().GetProperty("FormatterSourceType")!.GetValue(attribute)!)!;
            object formatter = Assert.Single((IEnumerable<object>)source.GetType().GetMethod("CreateTypeFormatters")!.Invoke(source, [])!);
            Assert.Equal("text/html", formatter.GetType().GetProperty("MimeType")!.GetValue(formatter));
            using var writer = new StringWriter(CultureInfo.InvariantCulture);
            Assert.Equal(true, formatter.GetType().GetMethod("Format")!.Invoke(formatter, [value, writer]));
            Assert.Matches("<(table|div)", writer.ToString());
            Assert.DoesNotContain("<script", writer.ToString(), StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void A_card_shows_the_contexts_tokens_and_logits_of_its_feature_and_lets_no_markup_out()
    {
        foreach (UnitEvidence unit in Index.Features.Take(60))
        {
            string html = RichHtml.Of(Index.Feature(unit.Index))!;
            Assert.Contains($"Feature {unit.Index}<", html, StringComparison.Ordinal);
            Assert.Equal(Math.Min(6, unit.Contexts.Length), Regex.Count(html, "<li"));
            Assert.DoesNotMatch("<(script|img|svg|iframe|a|style)[ >]", html);
        }
        Assert.Contains("It fires nowhere", RichHtml.Of(Index.Feature(40))!, StringComparison.Ordinal);
    }

    [Fact]
    public void Frames_and_lists_of_records_become_tables_and_anything_else_nothing()
    {
        string frame = RichHtml.Of(Index.ToDataFrame())!;
        Assert.Contains("token_entropy", frame, StringComparison.Ordinal);
        Assert.Contains($"20 of {Index.Features.Length} rows", frame, StringComparison.Ordinal);
        Assert.Contains("<td", RichHtml.Of(new[] { new ParetoPoint("one", 1, 2) })!, StringComparison.Ordinal);
        Assert.Contains(">mse 0.5, auxk 0.02<", RichHtml.Of(new TrainStep(1, 2, 0.52, 0.5, 0.02, null, 3, 0, 1, 1e-3, [new("mse", 0.5), new("auxk", 0.02)]))!, StringComparison.Ordinal);
        Assert.Null(RichHtml.Of("text"));
        Assert.Null(RichHtml.Of(new[] { 1, 2 }));
        Assert.Null(RichHtml.PlotlyJson("text"));
    }

    private static Dictionary<string, Func<GenericChart>> Made(FeatureIndex index) => new(StringComparer.Ordinal)
    {
        ["density"] = () => Plots.DensityHistogram(index),
        ["map"] = () => Plots.FeatureMap(index),
        ["contexts"] = () => Plots.ActivationHeatmap(index, 3),
        ["heatmap"] = () => Plots.ActivationHeatmap("two units", ["a", "<b>bold</b>", "\u202e"], ["u", "<img src=x onerror=window.pwned=1>"], [[0.0, 1, 2], [3, 0, 1]]),
        ["pareto"] = () => Plots.Pareto([new("<a href=\"javascript:window.pwned=1\">x</a>", 10, 0.4), new("b", 20, 0.3)]),
        ["lines"] = () => Plots.Lines("t", "x", "y", new ChartLine("<script>window.pwned=1</script>", [0, 1, 2], [1, double.NaN, 3]), new ChartLine("b", [0, 2], [2, 2])),
        ["surface"] = () => Plots.DecisionSurface("s", new PlaneSurface(-1, 1, [[0, 0.5], [0.75, 1]]), [new(0, 0, 0), new(0.5, 0.5, 1)]),
    };

    private static JsonNode Figure(GenericChart chart) => JsonNode.Parse(RichHtml.PlotlyJson(chart)!)!;

    /// <summary>A synthetic index in a folder.</summary>
    public sealed class Written : IDisposable
    {
        public Written()
        {
            ReportData data = SyntheticReport.Make(120, 10);
            FeatureIndex.Write(Folder, data.Run, data.Features, data.Neurons, data.Vocabulary);
            Index = FeatureIndex.Open(Folder);
        }

        internal string Folder { get; } = Directory.CreateTempSubdirectory("monosemantic-plots-").FullName;

        internal FeatureIndex Index { get; }

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
