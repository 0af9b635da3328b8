using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Monosemantic.Reports.Charts;
using Monosemantic.Runtime;
using Plotly.NET;

namespace Monosemantic.Reports;

/// <summary>
/// Charts as one HTML file that opens from disk and asks for nothing: plotly.js stands inside, packed, once for all of them. The
/// same charts give the same bytes.
/// </summary>
public static class ChartPage
{
    /// <summary>Writes a page, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="title">The page's title.</param>
    /// <param name="charts">The charts, from top to bottom.</param>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static void Write(string path, string title, params ImmutableArray<GenericChart> charts) => AtomicFile.WriteText(path, Render(title, charts));

    /// <summary>The page's HTML.</summary>
    /// <param name="title">The page's title.</param>
    /// <param name="charts">The charts, from top to bottom.</param>
    public static string Render(string title, params ImmutableArray<GenericChart> charts) =>
        Page(title, Markup.Empty, [.. charts.Select((_, i) => Place(i, null))], [.. charts.Select(ChartFigure.Of)]);

    /// <summary>A page whose charts have headings.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="lead">What it is about, one paragraph.</param>
    /// <param name="charts">The charts, from top to bottom.</param>
    internal static string Render(string title, string lead, IReadOnlyList<Charts.Chart> charts) => Page(
        title,
        Markup.Of($"<h1>{title}</h1>\n<p>{lead}</p>\n"),
        [.. charts.Select((chart, i) => Markup.Of($"<h2>{chart.Title}</h2>\n<p>{chart.Note}</p>\n{Place(i, chart.Title)}"))],
        [.. charts.Select(chart => chart.Figure())]);

    private static Markup Place(int chart, string? title) => title is null
        ? Markup.Of($"<div id=\"chart-{chart}\" class=\"chart\"></div>\n")
        : Markup.Of($"<div id=\"chart-{chart}\" class=\"chart\" role=\"img\" aria-label=\"{title}\"></div>\n");

    // plotly.js sets styles of its own as it draws; scripts are these two and no other.
    private static string Page(string title, Markup lead, ImmutableArray<Markup> places, ImmutableArray<JsonObject> figures) => Markup.Of($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{PageFile.Plotly.Hash}' '{PageFile.ChartScript.Hash}'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{title}</title>
        <style>{Markup.Embedded(PageFile.ChartStyle)}</style>
        </head>
        <body>
        <main>
        {lead}<noscript><p>The charts need JavaScript; nothing is loaded from anywhere.</p></noscript>
        {places}</main>
        {figures.Select((figure, i) => Markup.Data($"figure-{i}", [figure]))}{Markup.PackedText("plotly", PageFile.Plotly)}<script type="module">{Markup.Embedded(PageFile.ChartScript)}</script>
        </body>
        </html>

        """).ToString();
}
