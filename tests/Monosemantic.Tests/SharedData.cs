namespace Monosemantic.Tests;

/// <summary>Large files that tests read but the repository does not hold; a test that misses one is skipped and says which.</summary>
public static class SharedData
{
    private const string Variable = "MONOSEMANTIC_DATA";

    /// <summary>The path of a file or folder of the shared data; skips the running test where it is absent.</summary>
    /// <param name="relative">Its path below the data folder, part by part.</param>
    public static string Require(params string[] relative)
    {
        string path = Path.Combine([Root(), .. relative]);
        if (!File.Exists(path) && !Directory.Exists(path)) Assert.Skip($"shared data absent: {Path.Combine(relative)} (looked in {Root()}; set {Variable} to look elsewhere)");
        return path;
    }

    private static string Root()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given) return given;
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Monosemantic.sln"))) folder = folder.Parent;
        return Path.GetFullPath(Path.Combine(folder?.FullName ?? AppContext.BaseDirectory, "..", "shared", "data"));
    }
}
