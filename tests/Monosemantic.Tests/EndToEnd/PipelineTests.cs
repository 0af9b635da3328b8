using System.Text.Json.Nodes;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>The commands one after another on a tiny model, and what a clumsy user meets on the way.</summary>
[Trait("kind", "slow")]
public sealed class PipelineTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public PipelineTests()
    {
        string text = TinyModel.Documents(200);
        File.WriteAllText(Path.Combine(folder, "text.txt"), text);
        TinyModel.Write(Path.Combine(folder, "model"), text);
    }

    private static string[] Extract(string output, params string[] more) =>
        ["extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.1.hook_resid_post", "--context", "32", "--out", output, .. more];

    private static string[] Train(string output, params string[] more) =>
        ["train", "--activations", "store", "--out", output, "--set", "d_sae=64", "--set", "k=4", "--set", "batch=256", "--set", "tokens=20000", .. more];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Stages_lead_from_text_to_a_report_and_refuse_what_does_not_fit()
    {
        await Succeed(Extract("store"));
        await Succeed(Train("sae"));
        JsonNode metrics = JsonNode.Parse((await Succeed("eval", "--sae", "sae", "--activations", "store", "--model", "model", "--text", "text.txt", "--contexts", "5", "--json")).Output)!;
        Assert.InRange((double)metrics["fvu"]!, 0.0, 1.0);
        Assert.InRange((double)metrics["l0"]!, 0.5, 4.0);
        await Succeed("scan", "--sae", "sae", "--activations", "store", "--model", "model", "--metrics", "sae/metrics.json", "--neurons", "--out", "features");
        await Succeed("report", "features", "--out", "report.html");
        Assert.Contains("hook_resid_post", await File.ReadAllTextAsync(Path.Combine(folder, "report.html"), TestContext.Current.CancellationToken));

        await File.WriteAllTextAsync(Path.Combine(folder, "other.txt"), "another text", TestContext.Current.CancellationToken);
        await Succeed(Train("sae2", "--set", "seed=1"));
        await Fail("already", Extract("store"));
        await Fail("sae", Train("sae"));
        await Fail("not empty", "scan", "--sae", "sae", "--activations", "store", "--model", "model", "--out", "features");
        await Fail("not the text", "eval", "--sae", "sae", "--activations", "store", "--model", "model", "--text", "other.txt");
        await Succeed("extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.0.mlp.hook_post", "--rows", "500", "--context", "32", "--out", "mlp");
        await Fail("another autoencoder", "scan", "--sae", "sae2", "--activations", "store", "--model", "model", "--metrics", "sae/metrics.json", "--out", "other");
        TinyModel.Write(Path.Combine(folder, "twin"), TinyModel.Documents(20), seed: 6);
        await Fail("not the model", "scan", "--sae", "sae", "--activations", "store", "--model", "twin", "--out", "other");
        await Succeed("extract", "--model", "twin", "--text", "text.txt", "--hooks", "blocks.1.hook_resid_post", "--context", "32", "--out", "twin-store");
        await Fail("another model", "scan", "--sae", "sae", "--activations", "twin-store", "--model", "twin", "--out", "other");
        await Fail("64 wide", "scan", "--sae", "sae", "--activations", "mlp", "--model", "model", "--out", "other");
        await Fail("not empty", Train("model"));
        string shard = Directory.GetFiles(Path.Combine(folder, "store"), "*.safetensors")[0];
        using (FileStream stream = File.OpenWrite(shard)) stream.SetLength(stream.Length / 2);
        await Fail(Path.GetFileName(shard), Train("sae3"));
    }

    [Fact]
    public async Task What_a_user_gets_wrong_is_one_error_and_one_hint()
    {
        await File.WriteAllBytesAsync(Path.Combine(folder, "latin1.txt"), System.Text.Encoding.Latin1.GetBytes("caf\u00E9 au lait"), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "empty.txt"), "", TestContext.Current.CancellationToken);
        Directory.CreateDirectory(Path.Combine(folder, "bare"));
        File.Copy(Path.Combine(folder, "model", "config.json"), Path.Combine(folder, "bare", "config.json"));
        Directory.CreateDirectory(Path.Combine(folder, "unfinished"));
        await Fail("nowhere", "extract", "--model", "nowhere", "--text", "text.txt", "--hooks", "blocks.0.hook_resid_post", "--out", "x");
        await Fail("missing.txt", "extract", "--model", "model", "--text", "missing.txt", "--hooks", "blocks.0.hook_resid_post", "--out", "x");
        await Fail("empty", "extract", "--model", "model", "--text", "empty.txt", "--hooks", "blocks.0.hook_resid_post", "--out", "x");
        await Fail("latin1.txt", "extract", "--model", "model", "--text", "latin1.txt", "--hooks", "blocks.0.hook_resid_post", "--out", "x");
        await Fail("model.safetensors", "extract", "--model", "bare", "--text", "text.txt", "--hooks", "blocks.0.hook_resid_post", "--out", "x");
        await Fail("blocks.9", "extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.9.hook_resid_post", "--out", "x");
        await Fail("hook_point", "extract", "--model", "model", "--text", "text.txt", "--hooks", "hook_point", "--out", "x");
        await Fail("999", "extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.0.hook_resid_post", "--context", "999", "--out", "x");
        await Fail("unfinished", "train", "--activations", "unfinished", "--out", "x");
        await Fail("unfinished", "report", "unfinished", "--out", "x.html");
        await Fail("kk", "train", "--activations", "unfinished", "--out", "x", "--set", "kk=3");
        await Fail("extrakt", "extrakt");
        await Fail("always", Extract("x", "--bos", "7"));
        await Fail("--out", Extract(""));
        await File.WriteAllTextAsync(Path.Combine(folder, "run.json"), """{"k": 4, "k": 5}""", TestContext.Current.CancellationToken);
        await Fail("run.json", "train", "run.json", "--activations", "unfinished", "--out", "x", "--set", "d_sae=64");
        await Fail("--out", "extract", "--model", "model", "--hooks", "blocks.0.hook_resid_post");
        Assert.Empty(Directory.GetFileSystemEntries(folder, "x*"));
    }

    [Fact]
    public async Task An_interrupted_extraction_is_unfinished_and_resumes_to_the_same_bytes()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "text.txt"), TinyModel.Documents(8000), TestContext.Current.CancellationToken);
        await Succeed(Extract("whole"));
        string first = Path.Combine(folder, "store", "shard-00000.safetensors");

        CommandResult stopped = await CommandLine.BeforeItsEndAsync(Path.Combine(folder, "store"), () => CommandLine.InterruptAsync(folder, () => File.Exists(first), Extract("store")));

        AssertError(stopped, "stopped");
        Assert.False(File.Exists(Path.Combine(folder, "store", "manifest.json")));
        await Fail("unfinished", Train("sae"));
        await Succeed(Extract("store", "--resume"));
        foreach (string path in Directory.GetFiles(Path.Combine(folder, "whole")))
        {
            Assert.Equal(Hashing.OfFile(path), Hashing.OfFile(Path.Combine(folder, "store", Path.GetFileName(path))));
        }
    }

    [Fact]
    public async Task A_scan_that_was_killed_resumes_to_the_same_bytes()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "text.txt"), TinyModel.Documents(3000), TestContext.Current.CancellationToken);
        await Succeed(Extract("store"));
        await Succeed(Train("sae"));
        string[] Scan(string output, params string[] more) => ["scan", "--sae", "sae", "--activations", "store", "--model", "model", "--neurons", "--out", output, .. more];
        await Succeed(Scan("whole"));

        CommandResult killed = await CommandLine.BeforeItsEndAsync(Path.Combine(folder, "features"), () => CommandLine.KillAsync(folder, () => File.Exists(Path.Combine(folder, "features", "scan.state")), Scan("features", "--save-every", "0")));

        Assert.NotEqual(0, killed.ExitCode);
        await Fail("unfinished scan", Scan("features"));
        await Fail("no finished feature index", "query", "from features", "features");
        await Fail("other inputs or options", Scan("features", "--resume", "--seed", "3"));
        await Succeed(Scan("features", "--resume"));
        string[] Files(string name) => [.. Directory.GetFiles(Path.Combine(folder, name)).Select(path => Path.GetFileName(path)).Order()];
        Assert.Equal(Files("whole"), Files("features"));
        Assert.All(Files("whole"), name => Assert.Equal(Hashing.OfFile(Path.Combine(folder, "whole", name)), Hashing.OfFile(Path.Combine(folder, "features", name))));
        Assert.Contains("density", (await Succeed("query", "select feature, density from features limit 3", "features", "--csv")).Output);
        Assert.Contains("tokens that fire it", (await Succeed("features", "show", "3", "features")).Output);
        // A peak is marked and in view in every line of a context.
        string[] contexts = [.. (await Succeed("features", "show", "3", "features")).Output.Split("\ncontexts")[1].Split("\n\n")[0].Split('\n').Skip(2)];
        Assert.All(contexts, line => Assert.Matches("«[^»]+»", line));
        foreach (string sort in new[] { "density", "purity", "max" })
        {
            JsonArray listed = JsonNode.Parse((await Succeed("features", "list", "features", "--sort", sort, "--json")).Output)!.AsArray();
            double[] values = [.. listed.Select(row => row![sort] is { } value ? (double)value : double.NegativeInfinity)];
            Assert.Equal(values.OrderDescending(), values);
        }
        string[] relations = [.. JsonNode.Parse((await Succeed("features", "similar", "3", "features", "--json")).Output)!.AsArray().Select(row => (string)row!["relation"]!).Distinct()];
        Assert.Equal(["cosine", "co-firing", "correlation"], relations);
        string[] found = [.. (await Succeed("features", "find", "--text", "stream", "features")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)];
        Assert.NotEmpty(found);
        Assert.All(found, line => Assert.Contains("stream", line, StringComparison.Ordinal));
        await Fail("no feature 9999", "features", "show", "9999", "features");
        await Fail("no token", "features", "find", "--token", "nosuchtoken", "features");
        await Fail("--token", "features", "find", "features");
        await Fail("not SQL", "query", "selekt 1", "features");
        await Fail("a statement that reads", "query", "drop view features", "features");
    }

    [Fact]
    public async Task A_full_disk_is_said_and_leaves_nothing_that_looks_finished()
    {
        string disk = Directory.CreateDirectory(Path.Combine(folder, "disk")).FullName;
        Assert.SkipUnless(Environment.IsPrivilegedProcess && Run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk), "a small disk can only be mounted as root");
        try
        {
            await Fail("disk is full", Extract("disk/store"));
            Assert.False(File.Exists(Path.Combine(disk, "store", "manifest.json")));
        }
        finally
        {
            Assert.True(Run("umount", disk));
        }
    }

    [Fact]
    public async Task Commands_that_need_no_tensor_run_without_libtorch()
    {
        await Succeed(Extract("store"));
        await Succeed(Train("sae"));
        await Succeed("scan", "--sae", "sae", "--activations", "store", "--model", "model", "--out", "features");
        string bare = Path.Combine(folder, "bin");
        CopyWithoutLibtorch(Path.GetDirectoryName(CommandLine.Program)!, bare);
        string program = Path.Combine(bare, Path.GetFileName(CommandLine.Program));

        foreach (string[] arguments in new string[][] { ["--help"], ["train", "--help"], ["list", "families"], ["report", "features", "--out", "report.html"] })
        {
            CommandResult result = await CommandLine.RunAsync(program, folder, arguments);
            Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Error}");
        }
        AssertError(await CommandLine.RunAsync(program, folder, ["doctor"]), "libtorch cannot be loaded");
        AssertError(await CommandLine.RunAsync(program, folder, Extract("other")), "libtorch cannot be loaded");
    }

    private static void CopyWithoutLibtorch(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string path in Directory.GetFiles(from)) File.CreateSymbolicLink(Path.Combine(to, Path.GetFileName(path)), path);
        // The program finds its parts beside its own file, not beside what a link points to.
        foreach (string name in new[] { "Monosemantic.Cli.dll", "Monosemantic.Cli.deps.json", "Monosemantic.Cli.runtimeconfig.json" })
        {
            File.Delete(Path.Combine(to, name));
            File.Copy(Path.Combine(from, name), Path.Combine(to, name));
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private async Task<CommandResult> Succeed(params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Error}");
        return result;
    }

    private async Task Fail(string named, params string[] arguments) => AssertError(await CommandLine.RunAsync(folder, arguments), named);

    private static void AssertError(CommandResult result, string named)
    {
        string[] lines = [.. result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).SkipWhile(line => !line.StartsWith("error:", StringComparison.Ordinal))];
        Assert.True(result.ExitCode == 1, $"exit {result.ExitCode}: {result.Error}");
        Assert.True(lines is [_, var hint] && hint.StartsWith("hint:", StringComparison.Ordinal), result.Error);
        Assert.Contains(named, lines[0]);
    }
}
