using Monosemantic.Reports.Charts;

namespace Monosemantic.Reports.Panels;

/// <summary>How many features there are to choose from.</summary>
/// <param name="Features">How many fire.</param>
public sealed record ExploreContent(int Features);

/// <summary>
/// Features by two numbers of the reader's choice, as a chart to zoom into: laid out by Plotly.NET, drawn by the plotly.js that it
/// carries, which lies packed in the page. The numbers are those of the list.
/// </summary>
public sealed class ExplorePanel : Panel<ExploreContent>
{
    /// <inheritdoc/>
    public override string Id => "explore";

    /// <inheritdoc/>
    public override string Title => "Features by two numbers";

    /// <inheritdoc/>
    public override ExploreContent? Build(ReportData data)
    {
        int firing = data.Features.Count(feature => feature.Firings > 0);
        return firing == 0 ? null : new(firing);
    }

    /// <inheritdoc/>
    public override Markup Render(ExploreContent content) => Markup.Of($"""
        <p class="note">Drag to zoom, double-click to go back, point to read, click to open a feature. Axes that span powers of ten are logarithmic.</p>
        <div class="axes"><label>Across <select id="explore-x"></select></label> <label>Up <select id="explore-y"></select></label> <output id="explore-count"></output></div>
        <div id="explore-chart" role="img" aria-label="Scatter plot of {Numbers.Count(content.Features)} features by the two chosen numbers; the same numbers are in the list"></div>
        {Markup.Data("explore-figure", [ChartFigure.Of(Figure())])}{Markup.PackedText("plotly-0", PageFile.Plotly)}
        """);

    // Without its points, which the page has already.
    private static Plotly.NET.GenericChart Figure() => ChartParts.Chart(
        "",
        "",
        "",
        [ChartParts.Trace("scatter", ("mode", "markers"), ("hovertemplate", "%{text}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>"), ("marker", ChartParts.Group(("size", 6), ("opacity", 0.65))))],
        ("height", 440),
        ("margin", ChartParts.Group(("l", 60), ("r", 16), ("t", 16), ("b", 48))));
}
