using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using Monosemantic.Tests.Training;

namespace Monosemantic.Tests.EndToEnd;

/// <summary><c>monosemantic learn</c> as a user types it.</summary>
[Trait("kind", "slow")]
public sealed class LearnCommandTests : IDisposable
{
    private static readonly string[] Small = ["--set", "d_model=16", "--set", "feed_forward=24", "--set", "batch=8"];
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public LearnCommandTests() => File.WriteAllText(Path.Combine(folder, "verse.txt"), LineLearningTests.Verse(200));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_run_makes_a_page_that_shows_every_snapshot_and_can_be_made_again_from_its_config()
    {
        CommandResult result = await Learn("--snapshots", "3,0,1", "--out", "a", "--pairs", "50", "--json");
        Assert.True(result.ExitCode == 0, result.Error);
        JsonNode summary = JsonNode.Parse(result.Output)!;
        Assert.Equal(50, (int)summary["pairs"]!);
        Assert.Equal(3, (int)summary["iterations"]!);
        Assert.True((double)summary["loss"]! < (double)summary["uniform_loss"]!);
        string page = await File.ReadAllTextAsync(Path.Combine(folder, "a", "index.html"), TestContext.Current.CancellationToken);
        foreach (string name in new[] { "Untrained", "After 1 iteration", "After 3 iterations" }) Assert.Contains(name, page, StringComparison.Ordinal);
        Assert.Equal(["config.json", "index.html", "losses.jsonl", "model.safetensors", "snapshots.json"], Files("a").Keys.Order(StringComparer.Ordinal));

        CommandResult again = await CommandLine.RunAsync(folder, "learn", "a/config.json", "--out", "b");
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Contains("b/index.html", again.Output, StringComparison.Ordinal);
        Assert.Equal(Files("a"), Files("b"));
    }

    [Fact]
    public async Task A_run_that_was_interrupted_goes_on_to_the_same_files()
    {
        string[] options = ["--snapshots", "0,40", "--seed", "3"];
        CommandResult whole = await Learn([.. options, "--out", "whole"]);
        Assert.True(whole.ExitCode == 0, whole.Error);
        // It has begun to train soon after its folder is there; a run that was faster than the signal is not what is looked at.
        CommandResult stopped = await CommandLine.BeforeItsEndAsync(Path.Combine(folder, "stopped"), () => CommandLine.InterruptAsync(folder, () => File.Exists(Path.Combine(folder, "stopped", "run.json")), ["learn", "--text", "verse.txt", "--prompt", "the cat", .. Small, .. options, "--out", "stopped"]));
        Assert.Equal(1, stopped.ExitCode);
        Assert.Contains("--resume", stopped.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "stopped", "index.html")));
        CommandResult resumed = await Learn([.. options, "--out", "stopped", "--resume"]);
        Assert.True(resumed.ExitCode == 0, resumed.Error);
        Assert.Equal(Files("whole"), Files("stopped"));
    }

    [Fact]
    public async Task What_a_user_gets_wrong_is_one_error_and_one_hint()
    {
        File.WriteAllText(Path.Combine(folder, "empty.txt"), "");
        File.WriteAllText(Path.Combine(folder, "one.txt"), "only this\n");
        await Fail("empty.txt is empty", "learn", "--text", "empty.txt", "--out", "x");
        await Fail("one line only", "learn", "--text", "one.txt", "--out", "x");
        await Fail("missing.txt", "learn", "--text", "missing.txt", "--out", "x");
        await Fail("no text", "learn", "--out", "x");
        await Fail("'ten' is no number", Arguments("--snapshots", "0,ten", "--out", "x"));
        await Fail("'-1' is no number", Arguments("--snapshots=-1", "--out", "x"));
        await Fail("''", Arguments("--snapshots", "", "--out", "x"));
        await Fail("snapshots is 9999999", Arguments("--snapshots", "9999999", "--out", "x"));
        await Fail("pairs is -5", Arguments("--pairs=-5", "--out", "x"));
        await Fail("'T' (U+0054)", "learn", "--text", "verse.txt", "--prompt", "To", "--out", "x");
        await Fail("hats", Arguments("--set", "hats=3", "--out", "x"));
        await Fail("--out", Arguments("--out", ""));
        Directory.CreateDirectory(Path.Combine(folder, "full"));
        File.WriteAllText(Path.Combine(folder, "full", "precious.txt"), "mine");
        await Fail("not empty", Arguments("--out", "full"));
        Assert.False(Directory.Exists(Path.Combine(folder, "x")));
    }

    private static string[] Arguments(params string[] more) => ["learn", "--text", "verse.txt", "--prompt", "the cat", .. Small, .. more];

    private Task<CommandResult> Learn(params string[] more) => CommandLine.RunAsync(folder, Arguments(more));

    private async Task Fail(string named, params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 1, $"{string.Join(' ', arguments)}: exit {result.ExitCode}: {result.Error}");
        string[] lines = [.. result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.StartsWith("measure", StringComparison.Ordinal))];
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("error: ", lines[0], StringComparison.Ordinal);
        Assert.Contains(named, lines[0], StringComparison.Ordinal);
        Assert.StartsWith("hint:  ", lines[1], StringComparison.Ordinal);
    }

    private Dictionary<string, string> Files(string name) => Directory.GetFiles(Path.Combine(folder, name)).ToDictionary(path => Path.GetFileName(path), Hashing.OfFile);
}
