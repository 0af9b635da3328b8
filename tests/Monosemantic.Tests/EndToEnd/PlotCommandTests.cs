using Monosemantic.Features;
using Monosemantic.Reports;
using Monosemantic.Tests.Reports;

namespace Monosemantic.Tests.EndToEnd;

public sealed class PlotCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-plot-").FullName;

    public PlotCommandTests()
    {
        ReportData data = SyntheticReport.Make(30, 4);
        FeatureIndex.Write(Path.Combine(folder, "features"), data.Run, data.Features, data.Neurons, data.Vocabulary);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("density", "features")]
    [InlineData("map", "features")]
    [InlineData("heatmap", "features", "--feature", "3")]
    [InlineData("pareto", "features", "features")]
    public async Task A_chart_becomes_a_page_that_holds_all_it_needs(string kind, params string[] more)
    {
        CommandResult result = await CommandLine.RunAsync(folder, ["plot", kind, .. more, "--out", "plot.html"]);
        Assert.True(result.ExitCode == 0, result.Error);
        string html = await File.ReadAllTextAsync(Path.Combine(folder, "plot.html"), TestContext.Current.CancellationToken);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.Contains("id=\"figure-0\"", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("<(script|img|link|iframe)[^>]+(src|href)=", html.Split("<script>")[0]);
    }

    [Theory]
    [InlineData("heatmap needs a feature", "plot", "heatmap", "features")]
    [InlineData("there is no feature 99", "plot", "heatmap", "features", "--feature", "99")]
    [InlineData("draws one index", "plot", "map", "features", "features")]
    [InlineData("no finished feature index", "plot", "map", "nowhere")]
    [InlineData("no numbers of an evaluation", "plot", "pareto", "nowhere")]
    [InlineData("'pie'", "plot", "pie", "features")]
    public async Task What_cannot_be_drawn_is_said(string named, params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(named, result.Error, StringComparison.Ordinal);
        Assert.Contains("hint:", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "plot.html")));
    }
}
