using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Monosemantic.Reports;

/// <summary>The style sheet and scripts that every report carries inside, and their hashes for its content security policy.</summary>
internal sealed class PageFile
{
    private static readonly Lazy<PageFile> LazyStyle = new(() => new("report.css"));

    // In order of use: each may name what the ones before it define; together they are one module.
    private static readonly Lazy<PageFile> LazyScript = new(() => new("data.js", "list.js", "unit.js", "map.js", "main.js"));

    private static readonly Lazy<PageFile> LazyLearningStyle = new(() => new("report.css", "learning.css"));

    private static readonly Lazy<PageFile> LazyLearningScript = new(() => new("learning.js"));

    private PageFile(params ImmutableArray<string> names)
    {
        Text = "\n" + string.Join("\n", names.Select(Read));
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

    /// <summary>The text, with line feeds whatever the checkout has.</summary>
    public string Text { get; }

    /// <summary>What a content security policy calls it.</summary>
    public string Hash { get; }

    private static string Read(string name)
    {
        using Stream stream = typeof(PageFile).Assembly.GetManifestResourceStream($"Reports/{name}")
            ?? throw new InvalidOperationException($"the assembly carries no file Reports/{name}");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
