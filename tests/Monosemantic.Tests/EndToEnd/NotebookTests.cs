using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>Every notebook of the repository, all of its code cells in order, as a user runs it: by the built command.</summary>
[Trait("kind", "slow")]
public sealed class NotebookTests : IDisposable
{
    private static readonly string[] Bundles = ["application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"];
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-notebooks-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Notebooks() => [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "notebooks"), "*.ipynb").Select(path => Path.GetFileNameWithoutExtension(path)).Order()];

    [Fact]
    public void Every_notebook_that_was_promised_is_there()
    {
        string[] expected = ["01-how-a-model-learns", "02-dump-activations", "03-train-a-dictionary", "04-explore-features", "05-neurons-and-features"];
        Assert.Equal(expected, Notebooks().Select(row => (string)row.Data));
    }

    [Theory]
    [MemberData(nameof(Notebooks))]
    public async Task A_notebook_runs_from_top_to_bottom_and_its_results_hold(string name)
    {
        string source = Path.Combine(Repository.Root, "notebooks", name + ".ipynb"), target = Path.Combine(folder, "run.ipynb");
        byte[] before = await File.ReadAllBytesAsync(source, TestContext.Current.CancellationToken);
        CommandResult result = await CommandLine.RunAsync(folder, "notebook", "run", source, "--out", target);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Equal(before, await File.ReadAllBytesAsync(source, TestContext.Current.CancellationToken));
        JsonObject run = Read(target), committed = Read(source);
        Assert.Equal(Code(committed).Select(cell => Text(cell["source"])), Code(run).Select(cell => Text(cell["source"])));
        // What was committed is what comes out, but for the numbers, which may differ in their last digits between machines.
        Assert.Equal(Code(committed).Select(Shape), Code(run).Select(Shape));
        Checks[name](new Shown(run));
    }

    [Theory]
    [MemberData(nameof(Notebooks))]
    public void A_notebook_can_be_read_without_being_run(string name)
    {
        string path = Path.Combine(Repository.Root, "notebooks", name + ".ipynb");
        JsonObject notebook = Read(path);
        Assert.Equal("C#", (string?)notebook["metadata"]!["kernelspec"]!["language"]);
        Assert.Equal(".net-csharp", (string?)notebook["metadata"]!["kernelspec"]!["name"]);
        Assert.InRange(new FileInfo(path).Length, 1, 1_000_000);
        JsonObject[] code = [.. Code(notebook)];
        Assert.Equal(Enumerable.Range(1, code.Length), code.Select(cell => (int)cell["execution_count"]!));
        Assert.All(code, cell => Assert.InRange(Text(cell["source"]).Split('\n').Length, 1, 20));
        Assert.True(notebook["cells"]!.AsArray().Count - code.Length >= code.Length - 4, "more code than prose");
        foreach (string html in code.SelectMany(Outputs).Select(output => Text(output["data"]?["text/html"]) + Text(output["data"]?["image/svg+xml"]))) Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
    }

    private static Dictionary<string, Action<Shown>> Checks { get; } = new(StringComparer.Ordinal)
    {
        ["01-how-a-model-learns"] = shown =>
        {
            // Six decision surfaces, two loss curves, the neurons before and after.
            Assert.Equal(10, shown.Charts.Length);
            Assert.InRange(shown.Number(@"right on ([\d.]+) ?%"), 97, 100);
            Assert.Contains("Thou art more lovely", shown.All, StringComparison.Ordinal);
            double[] loss = shown.Line(6, 0);
            Assert.InRange(loss[^1], 0, 0.2);
            Assert.True(loss[0] > 0.5);
            double[] words = shown.Line(7, 0);
            Assert.True(words[^1] < words[0] / 4, $"the transformer's loss only fell from {words[0]} to {words[^1]}");
        },
        ["02-dump-activations"] = shown =>
        {
            Assert.Contains("6,000 rows x 192", shown.All, StringComparison.Ordinal);
            Assert.True(shown.Number(@"without MLP 0 +([\d.]+)") > shown.Number(@"untouched +([\d.]+)") + 1);
            Assert.Equal(2, shown.Charts.Length);
        },
        ["03-train-a-dictionary"] = shown =>
        {
            Assert.InRange(shown.Number(@"dictionary +FVU ([\d.]+)"), 0.2, 0.55);
            Assert.True(shown.Number(@"pca +FVU ([\d.]+)") > shown.Number(@"dictionary +FVU ([\d.]+)"));
            double[] fvu = shown.Line(0, 0), pareto = shown.Line(1, 1);
            Assert.True(fvu[^1] < fvu[0] / 2);
            Assert.Equal(pareto.OrderDescending(), pareto);
        },
        ["04-explore-features"] = shown =>
        {
            Assert.Contains("512 features", shown.All, StringComparison.Ordinal);
            Assert.Equal(3, shown.Charts.Length);
            Assert.Contains(shown.Html, html => html.Contains("Raises the logits of", StringComparison.Ordinal) && html.Contains("<mark", StringComparison.Ordinal));
        },
        ["05-neurons-and-features"] = shown =>
        {
            Assert.True(shown.Number(@"features ([\d.]+) bits") < shown.Number(@"neurons ([\d.]+) bits"));
            Assert.True(shown.Number(@"a feature ([\d.]+) nats") > shown.Number(@"a neuron ([\d.]+) nats"));
            Assert.InRange(shown.Number(@"largest ([\d.]+)"), 0.1, 1);
            Assert.Contains(shown.Html, html => html.Contains(">Neuron ", StringComparison.Ordinal));
        },
    };

    private static JsonObject Read(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();

    private static IEnumerable<JsonObject> Code(JsonObject notebook) => notebook["cells"]!.AsArray().Select(cell => cell!.AsObject()).Where(cell => (string?)cell["cell_type"] == "code");

    private static IEnumerable<JsonObject> Outputs(JsonObject cell) => cell["outputs"]!.AsArray().Select(output => output!.AsObject());

    private static string Text(JsonNode? lines) => lines is JsonArray array ? string.Concat(array.Select(line => (string?)line)) : "";

    private static string Shape(JsonObject cell) => string.Join(" | ", Outputs(cell).Select(output => $"{output["output_type"]}: {string.Join(", ", output["data"]?.AsObject().Select(form => form.Key) ?? [])}"));

    /// <summary>What a run showed.</summary>
    private sealed class Shown(JsonObject notebook)
    {
        private readonly JsonObject[] outputs = [.. Code(notebook).SelectMany(Outputs)];

        internal string All => string.Concat(outputs.Where(output => (string?)output["output_type"] == "stream").Select(output => Text(output["text"])));

        internal string[] Html => [.. outputs.Select(output => Text(output["data"]?["text/html"])).Where(html => html.Length > 0)];

        internal JsonObject[] Charts => [.. outputs.Where(output => output["data"]?["image/svg+xml"] is not null).Select(output => Whole(output["data"]!.AsObject()))];

        internal double Number(string pattern) => Regex.Match(All, pattern) is { Success: true } found ? double.Parse(found.Groups[1].Value) : throw new InvalidOperationException($"nothing printed matches {pattern}:\n{All}");

        internal double[] Line(int chart, int trace) => [.. Charts[chart]["data"]![trace]!["y"]!.AsArray().Select(value => (double)value!)];

        private static JsonObject Whole(JsonObject data)
        {
            Assert.Equal(Bundles, data.Select(form => form.Key));
            Assert.StartsWith("<svg", Text(data["image/svg+xml"]), StringComparison.Ordinal);
            return data[Bundles[0]]!.AsObject();
        }
    }
}
