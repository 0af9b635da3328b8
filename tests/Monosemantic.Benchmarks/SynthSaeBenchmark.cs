using System.Diagnostics;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Benchmarks;

/// <summary>An architecture of the benchmark: its published scores at L0 = 25 of the 16k model, and how it is told its L0.</summary>
/// <param name="Name">Architecture, as spelt in run files.</param>
/// <param name="PublishedF1">Published F1.</param>
/// <param name="PublishedMcc">Published MCC.</param>
/// <param name="PublishedExplainedVariance">Published explained variance.</param>
/// <param name="Recipe">The common settings with an L0, or with a coefficient where that is what decides the L0.</param>
internal sealed record BenchmarkedArchitecture(string Name, double? PublishedF1, double? PublishedMcc, double? PublishedExplainedVariance, Func<SaeTrainingConfig, double, SaeTrainingConfig> Recipe);

/// <summary>What training one architecture came to.</summary>
internal sealed record SynthSaeResult(string Architecture, long Samples, double Seconds, double L0, double TrueL0, double F1, double Precision, double Recall, double Mcc, double Uniqueness, double ExplainedVariance, double Shrinkage, double DeadLatents);

/// <summary>Everything that was measured.</summary>
/// <param name="Preset">The synthetic model.</param>
/// <param name="DSae">Features of the dictionaries.</param>
/// <param name="Results">Each architecture.</param>
/// <param name="SamplesPerSecond">Samples drawn and trained on, of the 16k configuration, by architecture.</param>
/// <param name="FullRunHours">Hours that 200 million of them take at that rate, by architecture.</param>
internal sealed record SynthSaeBenchmarkResult(string Preset, int DSae, IReadOnlyList<SynthSaeResult> Results, IReadOnlyDictionary<string, double> SamplesPerSecond, IReadOnlyDictionary<string, double> FullRunHours);

/// <summary>
/// SynthSAEBench: dictionaries on synthetic data with known features, by default at 1/16 of the cost of the published one, with the
/// order of the architectures beside the published order; and what a full run costs on this machine.
/// </summary>
internal static class SynthSaeBenchmark
{
    private const string Full = "synth-sae-bench-16k", Small = "synth-sae-bench-4k";
    private const int Batch = 1024, TestBatches = 60, FullSteps = 20;
    private const long FullSamples = 200_000_000, FarAway = 1 << 20;

    // Published: SAELens docs/synth_sae_bench.md, table for L0 = 25. One line each.
    private static readonly BenchmarkedArchitecture[] Architectures =
    [
        new("topk", null, null, null, (config, l0) => config with { K = l0 }),
        new("batch_topk", 0.7316, 0.7574, 0.7923, (config, l0) => config with { K = l0 }),
        new("matryoshka_batch_topk", 0.8793, 0.7927, 0.7792, (config, l0) => config with { K = l0, AuxAddsBDec = false, Matryoshka = new() { Widths = [config.DSae / 32, config.DSae / 8, config.DSae / 2], AuxPerLevel = true } }),
        new("jumprelu", 0.7317, 0.7527, 0.7951, (config, l0) => config with { DecoderInitNorm = 0.5, JumpRelu = new() { InitThreshold = 1, Bandwidth = 1 }, Sparsity = config.Sparsity with { Coefficient = 1, L0Tuning = Tuning(config, l0, 0) } }),
        new("relu", 0.5562, 0.6039, 0.7654, (config, l0) => config with { Sparsity = config.Sparsity with { Coefficient = 2, WarmUpFraction = 1.0 / 3, L0Tuning = Tuning(config, l0, 1.0 / 3) } }),
    ];

    internal static int Run(string[] options)
    {
        TorchRuntime.Load();
        string? only = Option(options, "--only");
        string preset = Option(options, "--preset") ?? Small;
        long samples = long.Parse(Option(options, "--samples") ?? (options.Contains("--quick") ? "300000" : "2000000"));
        double lr = double.Parse(Option(options, "--lr") ?? (preset == Full ? "3e-4" : "3e-3"));
        SyntheticModel truth = SyntheticModel.Create(SyntheticPreset.Find(preset).Config);
        int dSae = truth.Config.NumFeatures / 4, l0 = TargetOf(truth);
        Console.WriteLine($"{preset}: {truth.Config.NumFeatures:N0} features in {truth.Config.HiddenDim}, dictionaries of {dSae:N0}, L0 {l0}, learning rate {lr}, {samples:N0} fresh samples each");
        var results = new List<SynthSaeResult>();
        foreach (BenchmarkedArchitecture architecture in Architectures.Where(one => only is null || one.Name == only))
        {
            SynthSaeResult result = Measure(architecture, truth, dSae, l0, samples, lr);
            results.Add(result);
            Console.WriteLine($"  {result.Architecture,-12} L0 {result.L0,5:F1} (true {result.TrueL0:F1})  F1 {result.F1:F4}  MCC {result.Mcc:F4}  uniqueness {result.Uniqueness:F4}  EV {result.ExplainedVariance:F4}  shrinkage {result.Shrinkage:F4}  dead {result.DeadLatents:F0}  {result.Seconds:F0} s");
        }
        PrintOrder(results);
        Dictionary<string, double> rates = Architectures.Where(one => only is null || one.Name == only).ToDictionary(architecture => architecture.Name, FullRate), hours = rates.ToDictionary(pair => pair.Key, pair => FullSamples / pair.Value / 3600);
        foreach ((string name, double rate) in rates) Console.WriteLine($"  {Full}: {name} takes {rate:F0} samples per second, {hours[name]:F0} hours for {FullSamples:N0}");
        if (Option(options, "--json") is { } path) JsonFile.Write(path, new SynthSaeBenchmarkResult(preset, dSae, results, rates, hours));
        return 0;
    }

    private static SynthSaeResult Measure(BenchmarkedArchitecture architecture, SyntheticModel truth, int dSae, int l0, long samples, double lr)
    {
        var clock = Stopwatch.StartNew();
        var sampler = new SyntheticSampler(truth);
        using SaeTrainer trainer = Trainer(architecture, truth, sampler, dSae, l0, samples, lr);
        foreach (TrainStep _ in trainer.Run()) { }
        double seconds = clock.Elapsed.TotalSeconds;
        using SparseAutoencoder sae = trainer.Snapshot();
        var compared = new GroundTruth(sae, truth);
        foreach (ActivationBatch batch in Test(sampler)) compared.Add(batch);
        IReadOnlyDictionary<string, MetricValue> found = compared.Compute("synthetic"), numbers = Evaluation.Measure(sae, Test(sampler), "synthetic").Numbers;
        double Of(string name) => (found.GetValueOrDefault(name) ?? numbers[name]).Value ?? double.NaN;
        return new(architecture.Name, samples, seconds, Of("l0"), Of("true_l0"), Of("f1"), Of("precision"), Of("recall"), Of("mcc"), Of("uniqueness"), Of("explained_variance"), Of("l2_ratio"), Of("dead_latents"));
    }

    // The published recipe is SAELens' defaults: constant learning rate, no warm-up, no decay, inputs as they are. With a hundredth
    // of the samples the rate has to be higher.
    private static SaeTrainer Trainer(BenchmarkedArchitecture architecture, SyntheticModel truth, SyntheticSampler sampler, int dSae, double setting, long samples, double lr)
    {
        SaeTrainingConfig common = SaePresets.Of("saelens", architecture.Name) with { DSae = dSae, Tokens = samples, Batch = Batch, Lr = lr, CheckpointEvery = 0 };
        // So is what counts as long: dead features of 1,000 steps, of 2,000 in all, would never come back.
        common = common with { DeadAfterSteps = Math.Clamp(1000 * common.TotalSteps * Batch / FullSamples, 100, 1000) };
        common = common with { BatchThreshold = common.BatchThreshold with { StartStep = common.TotalSteps / 4 } };
        return new SaeTrainer(architecture.Recipe(common, setting), new() { DModel = truth.Config.HiddenDim, BatchesFrom = first => sampler.Batches(Batch, first) });
    }

    // The published controller, as much faster as the run is shorter.
    private static L0TuningConfig Tuning(SaeTrainingConfig config, double l0, double start) =>
        new() { Target = l0, StartFraction = start, Rate = Math.Clamp(3e-4 * FullSamples / Batch / config.TotalSteps, 3e-4, 0.05) };

    private static IEnumerable<ActivationBatch> Test(SyntheticSampler sampler) => sampler.Batches(Batch, FarAway).Take(TestBatches);

    // Three quarters of the true L0, as 25 is of 34.
    private static int TargetOf(SyntheticModel truth)
    {
        SparseCode drawn = new SyntheticSampler(truth).Draw(FarAway, 4096, null);
        return (int)Math.Round(0.75 * drawn.Count / drawn.Rows);
    }

    private static double FullRate(BenchmarkedArchitecture architecture)
    {
        SyntheticModel truth = SyntheticModel.Create(SyntheticPreset.Find(Full).Config with { Orthogonalization = null });
        using SaeTrainer trainer = Trainer(architecture, truth, new(truth), 4096, 25, FullSamples, 3e-4);
        var seconds = new List<double>();
        var clock = Stopwatch.StartNew();
        foreach (TrainStep _ in trainer.Run())
        {
            seconds.Add(clock.Elapsed.TotalSeconds);
            clock.Restart();
            if (seconds.Count > FullSteps) break;
        }
        // The first step makes what the others use; a median, since a shared machine has slow moments.
        return Batch / seconds.Skip(1).Order().ElementAt(FullSteps / 2);
    }

    private static void PrintOrder(List<SynthSaeResult> results)
    {
        foreach ((string score, Func<SynthSaeResult, double> own, Func<BenchmarkedArchitecture, double?> published) in new (string, Func<SynthSaeResult, double>, Func<BenchmarkedArchitecture, double?>)[]
        {
            ("F1", result => result.F1, known => known.PublishedF1), ("MCC", result => result.Mcc, known => known.PublishedMcc), ("EV", result => result.ExplainedVariance, known => known.PublishedExplainedVariance),
        })
        {
            BenchmarkedArchitecture[] known = [.. Architectures.Where(architecture => published(architecture) is not null && results.Any(result => result.Architecture == architecture.Name))];
            if (known.Length < 2) continue;
            string here = string.Join(" > ", known.OrderByDescending(architecture => own(results.Single(result => result.Architecture == architecture.Name))).Select(architecture => architecture.Name)), there = string.Join(" > ", known.OrderByDescending(published).Select(architecture => architecture.Name));
            Console.WriteLine($"  order by {score}: here {here}; published {there}");
        }
    }

    private static string? Option(string[] options, string name) => Array.IndexOf(options, name) is >= 0 and var at ? at + 1 < options.Length ? options[at + 1] : throw new UserErrorException($"{name} has no value", $"write {name} VALUE") : null;
}
