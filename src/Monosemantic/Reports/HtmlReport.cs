using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Reports.Panels;
using Monosemantic.Runtime;

namespace Monosemantic.Reports;

/// <summary>
/// Draws a report as one HTML file that opens from disk: no network, no server, no font or script from elsewhere, and a content
/// security policy that forbids all of it. A pure function of its data.
/// </summary>
public static class HtmlReport
{
    // plotly.js fills a style sheet of its own that begins empty, and sets styles of what it draws. Neither can load or run anything.
    private const string EmptyStyle = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    /// <summary>Bytes above which a report becomes a page and a folder of its units' pages beside it, both opened from disk.</summary>
    public const long LargestFile = 100_000_000;

    /// <summary>Writes a report, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="data">What to show.</param>
    /// <param name="largest">Most bytes of one file; what is larger is split.</param>
    /// <returns>The folder beside the page that belongs to it; null where the page is all there is.</returns>
    /// <exception cref="UserErrorException">The data contradict themselves, or a file cannot be written.</exception>
    public static string? Write(string path, ReportData data, long largest = LargestFile)
    {
        string whole = Render(data);
        if (System.Text.Encoding.UTF8.GetByteCount(whole) <= largest)
        {
            AtomicFile.WriteText(path, whole);
            return null;
        }
        string folder = $"{Path.GetFileNameWithoutExtension(path)}-pages";
        return SplitReport.Write(path, folder, Render(data, folder));
    }

    /// <summary>The report's HTML.</summary>
    /// <param name="data">What to show.</param>
    /// <exception cref="UserErrorException">The data contradict themselves, such as a context with more tokens than activations.</exception>
    public static string Render(ReportData data) => Render(data, null);

    private static string Render(ReportData data, string? folder)
    {
        ArgumentNullException.ThrowIfNull(data);
        ReportCheck.Check(data);
        ImmutableArray<Markup> overview = [.. Drawn(data, inOverview: true)];
        ImmutableArray<Markup> units = [.. Drawn(data, inOverview: false)];
        return Page(data, overview, units, folder).ToString();
    }

    private static IEnumerable<Markup> Drawn(ReportData data, bool inOverview)
    {
        foreach (Panel panel in ReportPanels.All.Where(p => p.InOverview == inOverview))
        {
            if (panel.BuildContent(data) is not { } content) continue;
            Markup body = panel.RenderContent(content);
            yield return inOverview ? Framed(panel, body) : body;
        }
    }

    private static Markup Framed(Panel panel, Markup body) => Markup.Of($"""
        <section id="{panel.Id}" class="panel" aria-labelledby="{panel.Id}-title"><h2 id="{panel.Id}-title">{panel.Title}</h2>
        {body}
        </section>

        """);

    // A split page may load scripts that its own script asks for: those of its folder, and only they are asked for.
    private static Markup Page(ReportData data, ImmutableArray<Markup> overview, ImmutableArray<Markup> units, string? folder) => Markup.Of($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{PageFile.Script.Hash}' '{PageFile.Plotly.Hash}'{(folder is null ? Markup.Empty : Markup.Of($" 'strict-dynamic'"))}; style-src '{PageFile.Style.Hash}'; style-src-elem '{PageFile.Style.Hash}' '{EmptyStyle}'; style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="referrer" content="no-referrer">
        <title>{data.Title}</title>
        <style>{Markup.Embedded(PageFile.Style)}</style>
        </head>
        <body{(folder is null ? Markup.Empty : Markup.Of($" data-pages=\"{folder}\""))}>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top"><h1><a href="#">{data.Title}</a></h1>
        <nav aria-label="Views"><a id="tab-overview" href="#" aria-current="page">Overview</a>{Tab("features", "Features", data.Features)}{Tab("neurons", "Neurons", data.Neurons)}</nav></header>
        <main id="main">
        <div id="overview" class="overview">
        <noscript><p class="note">The list of features needs JavaScript; nothing is loaded from anywhere.</p></noscript>
        {overview}</div>
        <div id="explorer" class="explorer">
        {units}</div>
        </main>
        <script type="module">{Markup.Embedded(PageFile.Script)}</script>
        </body>
        </html>

        """);

    private static Markup Tab(string hash, string name, ImmutableArray<UnitEvidence> units) => units.IsEmpty
        ? Markup.Empty
        : Markup.Of($"<a id=\"tab-{hash}\" href=\"#{hash}\">{name} <small>{Numbers.Count(units.Length)}</small></a>");
}
