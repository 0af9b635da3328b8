using System.Text.Json.Nodes;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>What <c>eval</c>, <c>sweep</c>, <c>superposition</c> and <c>synth</c> write, and what they refuse.</summary>
[Trait("kind", "slow")]
public sealed class EvaluationCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Evaluation_writes_documented_files_and_refuses_what_does_not_fit()
    {
        string text = TinyModel.Documents(200);
        await File.WriteAllTextAsync(Path.Combine(folder, "text.txt"), text, TestContext.Current.CancellationToken);
        TinyModel.Write(Path.Combine(folder, "model"), text);
        string[] extract = ["extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.1.hook_resid_post", "--context", "32"];
        await Succeed([.. extract, "--set", "held_out_fraction=0.3", "--out", "store"]);
        await Succeed([.. extract, "--set", "held_out_fraction=0", "--out", "whole"]);
        await Succeed("train", "--activations", "store", "--out", "sae", "--set", "d_sae=64", "--set", "k=4", "--set", "batch=256", "--set", "tokens=20000");

        JsonNode metrics = JsonNode.Parse(await Succeed("eval", "--sae", "sae", "--activations", "store", "--model", "model", "--text", "text.txt", "--contexts", "5", "--interpret", "--json"))!;

        string documentation = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "src", "Monosemantic", "Metrics", "README.md"), TestContext.Current.CancellationToken);
        Assert.All(metrics.AsObject().Concat(metrics["interpretability"]!.AsObject()).Concat(metrics["numbers"]!["fvu"]!.AsObject()).Concat(metrics["baselines"]![0]!.AsObject()), pair => Assert.Contains($"`{pair.Key}`", documentation));
        JsonObject numeric = metrics["interpretability"]!["probing"]!["tasks"]!.AsArray().Select(task => task!.AsObject()).Single(task => (string)task["task"]! == "repetition");
        Assert.InRange((double)numeric["accuracy"]!["raw_all"]!["value"]!, 0.5, 1);
        Assert.True((double)numeric["accuracy"]!["raw_all"]!["low"]! <= (double)numeric["accuracy"]!["raw_all"]!["value"]!);
        JsonArray tasks = metrics["interpretability"]!["probing"]!["tasks"]!.AsArray();
        Assert.All(tasks, task => Assert.True(task!["undefined"] is not null || task["accuracy"]!.AsObject().Count == 9, task.ToJsonString()));
        Assert.Contains("needed", (string)tasks.Single(task => (string)task!["task"]! == "numeric")!["undefined"]!);
        Assert.Equal(15, metrics["interpretability"]!["unit_scores"]!["distributions"]!.AsArray().Count);
        await Succeed("scan", "--sae", "sae", "--activations", "store", "--model", "model", "--metrics", Path.Combine("sae", "metrics.json"), "--neurons", "--out", "features");
        foreach (string kind in new[] { "feature", "neuron" })
        {
            JsonNode[] scored = [.. metrics["interpretability"]!["unit_scores"]![$"{kind}s"]!.AsArray().Where(unit => unit!["context_predictability"] is not null).Select(unit => unit!)];
            JsonArray joined = JsonNode.Parse(await Succeed("query", $"select {kind}, token_predictability, context_predictability from {kind}s where context_predictability is not null order by {kind}", "features", "--json"))!.AsArray();
            Assert.NotEmpty(scored);
            Assert.True((int)JsonNode.Parse(await Succeed("query", $"select count(ablation_loss) as measured from {kind}s", "features", "--json"))![0]!["measured"]! > 0);
            Assert.Equal(scored.Select(unit => ((int)unit[kind]!, (double)unit["token_predictability"]!, (double)unit["context_predictability"]!)), joined.Select(row => ((int)row![kind]!, (double)row["token_predictability"]!, (double)row["context_predictability"]!)));
        }
        Assert.DoesNotContain("NaN", await File.ReadAllTextAsync(Path.Combine(folder, "sae", "metrics.json"), TestContext.Current.CancellationToken));
        Assert.Contains("default-src 'none'", await File.ReadAllTextAsync(Path.Combine(folder, "sae", "metrics.interpretability.html"), TestContext.Current.CancellationToken));
        Assert.True(File.Exists(Path.Combine(folder, "sae", "saebench_core.json")));

        await Fail("no model is given", "eval", "--sae", "sae", "--activations", "store", "--interpret");
        await Fail("no held-out row", "eval", "--sae", "sae", "--activations", "whole");
        await Succeed("synth", "--preset", "independent", "--set", "num_features=16", "--set", "hidden_dim=16", "--rows", "4000", "--out", "synthetic");
        await Fail("another model", "eval", "--sae", "sae", "--activations", "synthetic");
        await Fail("no held-out row", "sweep", "--activations", "whole", "--out", "other");
    }

    [Fact]
    public async Task A_sweep_fits_its_runs_resumes_and_refuses_what_makes_no_sense()
    {
        await Succeed("synth", "--preset", "independent", "--set", "num_features=32", "--set", "hidden_dim=16", "--set", "firing_probability.probability=0.05", "--rows", "20000", "--out", "data");
        string[] Sweep(string output, params string[] more) => ["sweep", "--activations", "data", "--widths", "8,16,32", "--tokens", "10000,20000", "--set", "k=2", "--set", "batch=256", "--set", "lr=0.003", "--out", output, .. more];

        JsonNode result = JsonNode.Parse(await Succeed(Sweep("sweep", "--seeds", "0,1", "--json")))!;

        Assert.Equal(12, result["points"]!.AsArray().Count);
        Assert.All(result["points"]!.AsArray(), point => Assert.True(File.Exists(Path.Combine(folder, "sweep", (string)point!["folder"]!, "sae.json")) && point["stability_shared"] is not null));
        Assert.True((double)result["fits"]![0]!["exponents"]!["alpha"]!["value"]! > 0);
        Assert.True((double)result["fits"]![0]!["exponents"]!["beta"]!["low"]! <= (double)result["fits"]![0]!["exponents"]!["beta"]!["high"]!);
        string page = await File.ReadAllTextAsync(Path.Combine(folder, "sweep", "sweep.html"), TestContext.Current.CancellationToken), numbers = await File.ReadAllTextAsync(Path.Combine(folder, "sweep", "sweep.json"), TestContext.Current.CancellationToken);
        File.Delete(Path.Combine(folder, "sweep", "sweep.json"));
        Directory.Delete(Path.Combine(folder, "sweep", "width-8-tokens-10000-seed-0"), recursive: true);
        await Fail("already", Sweep("sweep", "--seeds", "0,1"));
        await Fail("other settings", Sweep("sweep", "--seeds", "0,2", "--resume"));
        await Succeed(Sweep("sweep", "--seeds", "0,1", "--resume"));
        Assert.Equal(numbers, await File.ReadAllTextAsync(Path.Combine(folder, "sweep", "sweep.json"), TestContext.Current.CancellationToken));
        Assert.Equal(page, await File.ReadAllTextAsync(Path.Combine(folder, "sweep", "sweep.html"), TestContext.Current.CancellationToken));
        await Fail("steps", Sweep("other", "--set", "steps=5"));
        await Fail("--seeds 0,x", Sweep("other", "--seeds", "0,x"));
        await Fail("twice", Sweep("other", "--seeds", "3,3"));
        await Fail("k is 64", Sweep("other", "--set", "k=64"));
    }

    [Fact]
    public async Task Superposition_writes_its_geometry_and_picture()
    {
        JsonNode result = JsonNode.Parse(await Succeed("superposition", "--set", "steps=50", "--set", "densities=[1,0.1]", "--set", "starts=1", "--out", "toy", "--json"))!;
        Assert.Equal(2, result["instances"]!.AsArray().Count);
        Assert.Equal(5, result["instances"]![0]!["dimensionality"]!.AsArray().Count);
        Assert.Contains("id=\"figure-2\"", await File.ReadAllTextAsync(Path.Combine(folder, "toy", "superposition.html"), TestContext.Current.CancellationToken));
        await Fail("dims is 9", "superposition", "--set", "dims=9", "--out", "toy");
    }

    private async Task<string> Succeed(params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Error}");
        return result.Output;
    }

    private async Task Fail(string named, params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 1, $"{string.Join(' ', arguments)}: exit {result.ExitCode}: {result.Error}");
        Assert.Contains(named, result.Error.Split('\n').Single(line => line.StartsWith("error:", StringComparison.Ordinal)));
        Assert.Single(result.Error.Split('\n'), line => line.StartsWith("hint:", StringComparison.Ordinal));
    }
}
