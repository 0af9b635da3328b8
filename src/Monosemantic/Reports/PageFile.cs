using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Plotly.NET;

namespace Monosemantic.Reports;

/// <summary>The style sheet and scripts that every report carries inside, and their hashes for its content security policy.</summary>
internal sealed class PageFile
{
    private static readonly Lazy<PageFile> LazyStyle = new(() => Files("report.css"));

    // In order of use: each may name what the ones before it define; together they are one module.
    private static readonly Lazy<PageFile> LazyScript = new(() => Files("texts.js", "data.js", "list.js", "unit.js", "map.js", "explore.js", "main.js"));

    private static readonly Lazy<PageFile> LazyLearningStyle = new(() => Files("report.css", "learning.css"));

    private static readonly Lazy<PageFile> LazyLearningScript = new(() => Files("learning.js"));

    private static readonly Lazy<PageFile> LazyChartStyle = new(() => Files("chart.css")), LazyChartScript = new(() => Files("chart.js"));

    private static readonly Lazy<PageFile> LazyPlotly = new(() => new PageFile(ReadPlotly()));

    private PageFile(string text)
    {
        Text = text;
        Hash = $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Text)))}";
    }

    /// <summary>The style sheet.</summary>
    public static PageFile Style => LazyStyle.Value;

    /// <summary>The script.</summary>
    public static PageFile Script => LazyScript.Value;

    /// <summary>The style sheet of the page on how a model learns.</summary>
    public static PageFile LearningStyle => LazyLearningStyle.Value;

    /// <summary>The script of the page on how a model learns.</summary>
    public static PageFile LearningScript => LazyLearningScript.Value;

    /// <summary>The style sheet of a page of charts.</summary>
    public static PageFile ChartStyle => LazyChartStyle.Value;

    /// <summary>The script that draws the charts of a page.</summary>
    public static PageFile ChartScript => LazyChartScript.Value;

    /// <summary>plotly.js, which Plotly.NET carries inside.</summary>
    public static PageFile Plotly => LazyPlotly.Value;

    /// <summary>The text, with line feeds whatever the checkout has.</summary>
    public string Text { get; }

    /// <summary>What a content security policy calls it.</summary>
    public string Hash { get; }

    private static PageFile Files(params ImmutableArray<string> names) => new("\n" + string.Join("\n", names.Select(Read)));

    private static string Read(string name)
    {
        using Stream stream = typeof(PageFile).Assembly.GetManifestResourceStream($"Reports/{name}")
            ?? throw new InvalidOperationException($"the assembly carries no file Reports/{name}");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    private static string ReadPlotly()
    {
        System.Reflection.Assembly assembly = typeof(GenericChart).Assembly;
        string name = assembly.GetManifestResourceNames().Single(resource => resource.Contains("plotly", StringComparison.OrdinalIgnoreCase) && resource.EndsWith(".js", StringComparison.Ordinal));
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
