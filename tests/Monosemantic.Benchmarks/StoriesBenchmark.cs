using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Activations;
using Monosemantic.Metrics;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Benchmarks;

/// <summary>A dictionary of a real model: quality on held-out documents and speed.</summary>
/// <param name="Name">The run.</param>
/// <param name="Fvu">Fraction of variance unexplained.</param>
/// <param name="L0">Features per token.</param>
/// <param name="Recovered">Cross-entropy recovered against zero ablation that leaves the beginning-of-sequence token alone.</param>
/// <param name="Dead">Share of features that did not fire.</param>
/// <param name="TokensPerSecond">Tokens trained on in a second, reading the store included.</param>
internal sealed record StoriesResult(string Name, double? Fvu, double? L0, double? Recovered, double Dead, double TokensPerSecond);

/// <summary>
/// TopK, BatchTopK and matryoshka dictionaries of stories260K (block 2, resid_post) on TinyStories: 512 features, k 8, 4 million
/// tokens, as in <c>Runs/stories.json</c>. Needs the shared data: <c>stories --data DIR [--json FILE] [--set key=value ...]</c>.
/// </summary>
internal static class StoriesBenchmark
{
    internal static int Run(string[] options)
    {
        string data = Option(options, "--data") ?? throw new UserErrorException("--data is missing", "give the folder that holds stories260K and corpora");
        string folder = Directory.CreateTempSubdirectory("monosemantic-stories-").FullName;
        try
        {
            var extraction = new ExtractionConfig { Model = Path.Combine(data, "stories260K", "stories260K.bin"), Text = [Path.Combine(data, "corpora", "tinystories_1000.json")], TextField = "story", Hooks = ["blocks.2.hook_resid_post"], Context = 128, Dtype = StoreDtype.F32, HeldOutFraction = 0.1 };
            string store = Path.Combine(folder, "store");
            ActivationExtractor.Extract(extraction, store);
            StoriesResult[] results = [.. Configs(options).Select(run => Measure(run.Name, run.Config, store, Path.Combine(folder, run.Name), extraction))];
            foreach (StoriesResult result in results) Console.WriteLine($"{result.Name,-12} FVU {result.Fvu:F4}  L0 {result.L0:F2}  recovered {result.Recovered:F4}  dead {result.Dead:P1}  {result.TokensPerSecond:N0} tokens/s");
            if (Option(options, "--json") is { } json) JsonFile.Write(json, results);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static StoriesResult Measure(string name, SaeTrainingConfig config, string store, string sae, ExtractionConfig extraction)
    {
        double seconds;
        using (ActivationStore opened = ActivationStore.Open(store))
        {
            var clock = Stopwatch.StartNew();
            SaeTrainer.Train(config, StoreInput.From(opened, config), sae).Dispose();
            seconds = clock.Elapsed.TotalSeconds;
        }
        EvaluationResult result = EvaluationRun.Execute(new EvaluationConfig { Sae = sae, Activations = store, Model = extraction.Model, Text = extraction.Text, TextField = extraction.TextField, Contexts = 200, Ablate = AblatedPositions.Text, Baselines = false }, null, CancellationToken.None);
        return new(name, result.Fvu, result.L0, result.CrossEntropy?.Recovered, result.DeadFraction, config.Tokens / seconds);
    }

    private static IEnumerable<(string Name, SaeTrainingConfig Config)> Configs(string[] options)
    {
        JsonObject file = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Runs", "stories.json")))!.AsObject();
        foreach (JsonNode? run in file["runs"]!.AsArray())
        {
            JsonObject settings = file.DeepClone().AsObject();
            settings.Remove("runs");
            foreach ((string key, JsonNode? value) in run!.AsObject()) settings[key] = value?.DeepClone();
            string name = settings["name"]!.GetValue<string>();
            settings.Remove("name");
            foreach (string[] pair in options.Where(option => option.Contains('=', StringComparison.Ordinal)).Select(option => option.Split('=', 2))) settings[pair[0]] = JsonNode.Parse(pair[1]);
            yield return (name, JsonFile.Parse<SaeTrainingConfig>(JsonSerializer.SerializeToUtf8Bytes(settings, JsonFile.Options), name));
        }
    }

    private static string? Option(string[] options, string name) => Array.IndexOf(options, name) is >= 0 and int at && at + 1 < options.Length ? options[at + 1] : null;
}
