using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Monosemantic.Reports.Charts;

/// <summary>One interactive chart in Plotly's words.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">One sentence that says how to read it.</param>
/// <param name="Traces">Plotly traces.</param>
/// <param name="Layout">Plotly layout.</param>
internal sealed record Chart(string Title, string Note, ImmutableArray<object> Traces, object Layout);

/// <summary>
/// Interactive charts as one HTML file that opens from disk. The script is the one that Plotly.NET carries; the page's content
/// policy lets it load nothing. The same charts make the same bytes.
/// </summary>
internal static class ChartPage
{
    private const string Script = "Plotly.NET.plotly-2.28.0.min.js";
    private static readonly Lazy<string> Plotly = new(ReadScript);

    // Numbers as they are, and nothing that could end the script.
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The page.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="lead">What it is about, one paragraph.</param>
    /// <param name="charts">The charts, from top to bottom.</param>
    internal static string Render(string title, string lead, IReadOnlyList<Chart> charts)
    {
        var draw = new StringBuilder();
        for (int i = 0; i < charts.Count; i++)
        {
            draw.Append("Plotly.newPlot(\"chart-").Append(i).Append("\",").Append(JsonSerializer.Serialize(charts[i].Traces, Json)).Append(',')
                .Append(JsonSerializer.Serialize(charts[i].Layout, charts[i].Layout.GetType(), Json)).Append(",{responsive:true,displaylogo:false});\n");
        }
        string script = draw.ToString();
        return $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{HashOf(Plotly.Value)}' '{HashOf(script)}'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Text(title)}</title>
            <style>body{"{"}font-family:system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff{"}"}h1{"{"}font-size:1.4rem{"}"}h2{"{"}font-size:1.1rem;margin:1.5rem 0 .2rem{"}"}p{"{"}margin:.2rem 0 .6rem;max-width:60rem{"}"}</style>
            </head>
            <body>
            <h1>{Text(title)}</h1>
            <p>{Text(lead)}</p>
            {string.Concat(charts.Select((chart, i) => $"<h2>{Text(chart.Title)}</h2>\n<p>{Text(chart.Note)}</p>\n<div id=\"chart-{i}\" role=\"img\" aria-label=\"{Text(chart.Title)}\"></div>\n"))}
            <script>{Plotly.Value}</script>
            <script>{script}</script>
            </body>
            </html>

            """.ReplaceLineEndings("\n");
    }

    private static string Text(string text) => Markup.Of($"{text}").ToString();

    private static string HashOf(string text) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static string ReadScript()
    {
        using Stream stream = typeof(Plotly.NET.GenericChart).Assembly.GetManifestResourceStream(Script) ?? throw new InvalidOperationException($"Plotly.NET carries no {Script}");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
