using System.Collections.Immutable;
using Monosemantic.Reports.Charts;
using Monosemantic.Runtime;
using Plotly.NET;

namespace Monosemantic.Reports;

/// <summary>
/// Charts as one HTML file that opens from disk and asks for nothing: plotly.js stands inside, once for all of them. The same
/// charts give the same bytes.
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
    public static string Render(string title, params ImmutableArray<GenericChart> charts)
    {
        // plotly.js sets styles of its own as it draws; scripts are these two and no other.
        return Markup.Of($"""
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
            {charts.Select((_, i) => Markup.Of($"<div id=\"chart-{i}\" class=\"chart\"></div>\n"))}{charts.Select((chart, i) => Markup.Data($"figure-{i}", [ChartFigure.Of(chart)]))}<script>{Markup.Embedded(PageFile.Plotly)}</script>
            <script>{Markup.Embedded(PageFile.ChartScript)}</script>
            </body>
            </html>

            """).ToString();
    }
}
