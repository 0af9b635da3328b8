namespace Monosemantic.Tests;

/// <summary>Where the repository lies, found by walking up from the test's folder.</summary>
internal static class Repository
{
    internal static string Root { get; } = Find();

    /// <summary>
    /// Golden fixtures of a kind (<c>models</c>, <c>saes</c>): those in the repository and those below the directories in
    /// MONOSEMANTIC_FIXTURES, so that anyone can check further configurations without touching code.
    /// </summary>
    internal static IEnumerable<string> FixtureRoots(string kind)
    {
        string further = Environment.GetEnvironmentVariable("MONOSEMANTIC_FIXTURES") ?? "";
        string[] roots = further.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        // Tests of nothing must not look like tests that pass.
        if (Array.Find(roots, root => !Directory.Exists(root)) is { } missing) throw new DirectoryNotFoundException($"MONOSEMANTIC_FIXTURES names {missing}, which is not there");
        return roots.Prepend(Path.Combine(Root, "tests", "Monosemantic.Tests", "Fixtures"))
            .Select(root => Path.Combine(root, kind))
            .Where(Directory.Exists);
    }

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Monosemantic.sln"))) return folder.FullName;
        }
        throw new InvalidOperationException($"no Monosemantic.sln above {AppContext.BaseDirectory}");
    }
}
