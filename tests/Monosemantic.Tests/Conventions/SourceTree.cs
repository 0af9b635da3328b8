using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Monosemantic.Tests.Conventions;

/// <summary>One C# file of the repository and its syntax.</summary>
/// <param name="Path">Its path from the repository's root, with forward slashes.</param>
/// <param name="Text">Its content.</param>
/// <param name="Root">The root of its syntax tree.</param>
public sealed record SourceFile(string Path, string Text, SyntaxNode Root)
{
    /// <summary>Parses a file.</summary>
    public static SourceFile Parse(string path, string text) => new(path, text, CSharpSyntaxTree.ParseText(text, path: path).GetRoot());

    /// <summary>Whether it is below a folder such as <c>src/Monosemantic</c>.</summary>
    public bool IsUnder(string folder) => Path.StartsWith(folder + "/", StringComparison.Ordinal);

    /// <summary>What a rule says about a place in this file: <c>path:line: message</c>.</summary>
    public string At(SyntaxNode node, string message) => At(node.GetLocation().GetLineSpan().StartLinePosition.Line + 1, message);

    /// <summary>What a rule says about a line of this file.</summary>
    public string At(int line, string message) => $"{Path}:{line}: {message}";
}

/// <summary>The repository as the tests find it.</summary>
public static class SourceTree
{
    private static readonly string[] TextExtensions = [".cs", ".csproj", ".props", ".targets", ".md", ".json", ".sh", ".editorconfig", ".sln", ".ipynb", ".html", ".js", ".css"];

    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Every C# file under <c>src</c> and <c>tests</c>, build output left out.</summary>
    public static IReadOnlyList<SourceFile> Files { get; } =
        [.. Paths().Where(path => path.EndsWith(".cs", StringComparison.Ordinal)).Select(path => SourceFile.Parse(path, Read(path)))];

    /// <summary>Every text file of the repository apart from data: path and content.</summary>
    public static IEnumerable<(string Path, string Text)> TextFiles() => Paths().Select(path => (path, Read(path)));

    /// <summary>The content of one file.</summary>
    public static string Read(string path) => File.ReadAllText(System.IO.Path.Combine(Root, path));

    private static IEnumerable<string> Paths() =>
        from top in new[] { "src", "tests", "notebooks", ".ci" }.Select(folder => System.IO.Path.Combine(Root, folder)).Append(Root)
        where Directory.Exists(top)
        from file in Directory.EnumerateFiles(top, "*", top == Root ? SearchOption.TopDirectoryOnly : SearchOption.AllDirectories)
        let path = System.IO.Path.GetRelativePath(Root, file).Replace('\\', '/')
        where !path.Split('/').Any(part => part is "bin" or "obj" or "Fixtures" or "TestResults")
        where TextExtensions.Contains(System.IO.Path.GetExtension(path)) || path.StartsWith(".ci/", StringComparison.Ordinal)
        where !path.EndsWith("packages.lock.json", StringComparison.Ordinal)
        orderby path
        select path;

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Monosemantic.sln"))) return folder.FullName;
        }
        throw new InvalidOperationException($"no Monosemantic.sln above {AppContext.BaseDirectory}");
    }
}
