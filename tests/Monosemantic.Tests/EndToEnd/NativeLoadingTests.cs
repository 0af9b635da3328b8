namespace Monosemantic.Tests.EndToEnd;

/// <summary>How libtorch is made to load: several programs at once in a home that is empty, or in none that can be written.</summary>
[Trait("kind", "slow")]
public sealed class NativeLoadingTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Programs_that_start_together_in_an_empty_home_all_load_and_leave_one_copy_at_most()
    {
        CommandResult[] results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ =>
            CommandLine.RunAsync(CommandLine.Program, folder, ["doctor"], ("HOME", folder), ("XDG_CACHE_HOME", Path.Combine(folder, "cache")))));
        Assert.All(results, result => Assert.True(result.ExitCode == 0, result.Error));
        Assert.All(results, result => Assert.StartsWith("ready", result.Output, StringComparison.Ordinal));
        // None where the system's libstdc++ is new enough; otherwise the copy alone, with no temporary file beside it.
        string[] left = Directory.Exists(Path.Combine(folder, "cache")) ? Directory.GetFiles(Path.Combine(folder, "cache"), "*", SearchOption.AllDirectories) : [];
        Assert.True(left.Length <= 1, string.Join(", ", left));
        Assert.All(left, path => Assert.EndsWith("libLibTorchSharp.so", path, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_home_that_cannot_be_written_is_no_obstacle()
    {
        string file = Path.Combine(folder, "not-a-folder");
        await File.WriteAllTextAsync(file, "", TestContext.Current.CancellationToken);
        CommandResult result = await CommandLine.RunAsync(CommandLine.Program, folder, ["doctor"], ("HOME", file), ("XDG_CACHE_HOME", file), ("TMPDIR", folder));
        Assert.True(result.ExitCode == 0, result.Error);
    }

    [Fact]
    public async Task Each_preparation_can_be_switched_off_and_is_reported()
    {
        CommandResult result = await CommandLine.RunAsync(CommandLine.Program, folder, ["doctor"], ("MONOSEMANTIC_NO_OPENMP_SETTINGS", "1"), ("MONOSEMANTIC_NO_ALLOCATOR_SETTINGS", "1"));
        Assert.Contains("switched off by MONOSEMANTIC_NO_OPENMP_SETTINGS", result.Output);
        Assert.Contains("switched off by MONOSEMANTIC_NO_ALLOCATOR_SETTINGS", result.Output);
    }
}
