using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Training;

namespace Monosemantic.Tests.Metrics.Synthetic;

/// <summary>Trains dictionaries on data with known features, and holds them against the truth.</summary>
internal static class SyntheticTraining
{
    private const int Batch = 512, TestBatches = 16, FarAway = 1 << 20;

    // Runs here are shorter than the steps after which the threshold is usually averaged.
    private static readonly BatchThresholdConfig Early = new() { StartStep = 200, Beta = 0.98 };

    /// <summary>How each architecture is told how many features shall fire, one line each; a fact about one that is not here is skipped.</summary>
    internal static ImmutableDictionary<string, Func<SaeTrainingConfig, int, SaeTrainingConfig>> Recipes { get; } = new Dictionary<string, Func<SaeTrainingConfig, int, SaeTrainingConfig>>
    {
        ["topk"] = (config, l0) => config with { K = l0 },
        ["batch_topk"] = (config, l0) => config with { K = l0, BatchThreshold = Early },
        ["matryoshka_batch_topk"] = (config, l0) => config with { K = l0, BatchThreshold = Early, Matryoshka = new() { Widths = [config.DSae / 4, config.DSae / 2] } },
        ["relu"] = (config, _) => config with { Sparsity = new() { Coefficient = 0.3 } },
    }.ToImmutableDictionary();

    /// <summary>Numbers against the truth and about the reconstruction, by name, on samples that the training did not see.</summary>
    internal static IReadOnlyDictionary<string, MetricValue> Train(SyntheticConfig data, string architecture, int dSae, int l0, int tokens, double lr = 3e-3)
    {
        if (!Recipes.TryGetValue(architecture, out var recipe)) Assert.Skip($"there is no recipe for the architecture {architecture} in {nameof(SyntheticTraining)}");
        SyntheticModel truth = SyntheticModel.Create(data, cancellation: TestContext.Current.CancellationToken);
        var sampler = new SyntheticSampler(truth);
        SaeTrainingConfig config = recipe(new SaeTrainingConfig { Architecture = architecture, DSae = dSae, Batch = Batch, Tokens = tokens, Lr = lr, LrWarmUpSteps = 20, DeadAfterTokens = 50_000, InputScaling = InputScaling.None, CheckpointEvery = 0 }, l0);
        using var trainer = new SaeTrainer(config, new() { DModel = data.HiddenDim, BatchesFrom = first => sampler.Batches(Batch, first) });
        foreach (TrainStep _ in trainer.Run()) TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        using SparseAutoencoder sae = trainer.Snapshot();
        var compared = new GroundTruth(sae, truth);
        ActivationBatch[] test = [.. sampler.Batches(Batch, FarAway).Take(TestBatches)];
        foreach (ActivationBatch batch in test) compared.Add(batch);
        var numbers = new Dictionary<string, MetricValue>(Evaluation.Measure(sae, test, "synthetic").Numbers);
        foreach ((string name, MetricValue number) in compared.Compute("synthetic")) numbers[name] = number;
        return numbers;
    }
}
