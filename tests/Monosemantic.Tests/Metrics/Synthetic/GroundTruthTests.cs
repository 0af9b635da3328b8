using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics.Synthetic;

public sealed class GroundTruthTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-synthetic-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 4)]
    [InlineData(5, 7)]
    [InlineData(6, 6)]
    public void The_assignment_is_the_best_of_all(int rows, int columns)
    {
        for (int trial = 0; trial < 30; trial++)
        {
            var random = new SeededRandom(trial, rows * 10 + columns);
            // Few different costs, so that ties are met.
            float[] costs = [.. Enumerable.Range(0, rows * columns).Select(_ => trial % 2 == 0 ? random.Next(4) : (float)random.NextDouble())];
            int[] found = Assignment.Solve(costs, rows, columns);
            Assert.Equal(rows, found.Distinct().Count());
            Assert.Equal(Best(costs, rows, columns, 0, []), found.Select((column, row) => (double)costs[(row * columns) + column]).Sum(), 5);
        }
    }

    [Fact]
    public void The_true_dictionary_scores_one_and_a_shuffled_one_too()
    {
        // Orthogonal features, all of strength 1, two of which fire: a TopK dictionary of the truth finds exactly those.
        SyntheticModel truth = Orthogonal(8, 0.25);
        IReadOnlyDictionary<string, MetricValue> numbers = Compare(truth, [5, 3, 0, 1, 7, 2, 6, 4], 8);
        foreach (string name in new[] { "mcc", "mmcs_dictionary_to_truth", "mmcs_truth_to_dictionary", "recovered_fraction", "uniqueness", "precision", "recall", "f1", "accuracy", "activation_ratio" }) Assert.Equal(1, numbers[name].Value!.Value, 4);
        Assert.Equal(0, numbers["dead_latents"].Value);
        Assert.Equal(2, numbers["true_l0"].Value!.Value, 0.1);
        Assert.Null(numbers["absorption"].Value);
    }

    [Fact]
    public void A_dictionary_of_half_the_truth_scores_half_where_it_should()
    {
        SyntheticModel truth = Orthogonal(8, 0.25);
        IReadOnlyDictionary<string, MetricValue> numbers = Compare(truth, [0, 1, 2, 3], 4);
        Assert.Equal(1, numbers["mcc"].Value!.Value, 4);
        Assert.Equal(1, numbers["mmcs_dictionary_to_truth"].Value!.Value, 4);
        Assert.Equal(0.5, numbers["mmcs_truth_to_dictionary"].Value!.Value, 4);
        Assert.Equal(0.5, numbers["recovered_fraction"].Value);
        Assert.Equal(1, numbers["f1"].Value!.Value, 4);
        Assert.Equal(0.25, Compare(truth, [2, 2, 2, 2], 4)["uniqueness"].Value);
    }

    [Fact]
    public void A_parent_absorbed_by_its_child_is_counted()
    {
        // One parent, one child that fires with it half of the time; the child's latent takes both directions at once.
        SyntheticModel truth = Model(new() { NumFeatures = 3, HiddenDim = 3, FiringProbability = new() { Probability = 0.5 }, Hierarchy = new() { TotalRootNodes = 1, BranchingFactor = 2, MaxDepth = 1 } }, [1, 0, 0, 0, 1, 0, 0, 0, 1]);
        using var scope = NewDisposeScope();
        // Latent 0: the parent without child 1; latent 1: child 1; latent 2: child 2. Only the parent's latent looks at the child.
        Tensor encoder = tensor(new float[] { 1, -2, 0, 0, 1, 0, 0, 0, 1 }, [3, 3]).t(), decoder = eye(3);
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = 3, DSae = 3, K = 3 }, encoder, zeros(3), decoder, zeros(3));
        IReadOnlyDictionary<string, MetricValue> numbers = Compare(truth, sae);
        // Both children active: child 1 absorbs, and with it the pair with child 2 counts too. P(child 1 | a child pair) = 1/2 + 1/2 * 1/2.
        Assert.Equal(0.75, numbers["absorption"].Value!.Value, 0.03);
        // About 2,560 pairs of 64 documents: a standard error of about a hundredth.
        Assert.InRange(numbers["absorption"].High!.Value - numbers["absorption"].Low!.Value, 0.01, 0.08);
        Assert.All(new[] { "precision", "recall", "f1", "accuracy", "true_l0", "activation_ratio" }, name => Assert.InRange(numbers[name].Value!.Value, numbers[name].Low!.Value - 1e-9, numbers[name].High!.Value + 1e-9));
        Assert.All(new[] { "mcc", "uniqueness" }, name => Assert.Equal("it depends on the weights alone", numbers[name].NoInterval));
    }

    [Fact]
    [Trait("kind", "slow")]
    public void Training_on_a_synthetic_store_recovers_its_features_and_beats_the_baselines()
    {
        string store = Path.Combine(folder, "store"), sae = Path.Combine(folder, "sae");
        SyntheticConfig data = new() { NumFeatures = 64, HiddenDim = 32, FiringProbability = new() { Probability = 0.03 }, StdFiringMagnitudes = new() { Value = 0.25 } };
        SyntheticStore.Write("toy", data, 40_000, store, StoreDtype.F16, null, TestContext.Current.CancellationToken);
        var config = new SaeTrainingConfig { DSae = 64, K = 3, Tokens = 400_000, Batch = 512, Lr = 3e-3, CheckpointEvery = 0 };
        using (ActivationStore opened = ActivationStore.Open(store)) SaeTrainer.Train(config, StoreInput.From(opened, config), sae, resume: false, cancellation: TestContext.Current.CancellationToken).Dispose();

        EvaluationResult result = EvaluationRun.Execute(new() { Sae = sae, Activations = store }, null, TestContext.Current.CancellationToken);

        Assert.InRange(result.GroundTruth!["mmcs_truth_to_dictionary"].Value!.Value, 0.9, 1);
        Assert.InRange(result.GroundTruth["mcc"].Value!.Value, 0.85, 1);
        Assert.InRange(result.GroundTruth["f1"].Value!.Value, 0.6, 1);
        Assert.Equal(["dictionary", "mean", "neurons", "pca", "random_dictionary"], result.Baselines.Select(baseline => baseline.Name));
        Assert.All(result.Baselines.Skip(1), baseline => Assert.True(baseline.Beaten, baseline.Name));
        Assert.Equal(1, result.Baselines.Single(baseline => baseline.Name == "mean").Numbers["fvu"].Value!.Value, 0.01);
        Assert.Equal(result.Fvu!.Value, result.Baselines[0].Numbers["fvu"].Value!.Value, 6);
    }

    private static SyntheticModel Orthogonal(int n, double probability)
    {
        float[] axes = new float[n * n];
        for (int i = 0; i < n; i++) axes[(i * n) + i] = 1;
        return Model(new() { NumFeatures = n, HiddenDim = n, FiringProbability = new() { Probability = probability } }, axes);
    }

    // A model with given directions, made the way a saved one is loaded.
    private static SyntheticModel Model(SyntheticConfig config, float[] directions)
    {
        string saved = Directory.CreateTempSubdirectory("monosemantic-truth-").FullName;
        SyntheticModel drawn = SyntheticModel.Create(config);
        directions.CopyTo(drawn.Directions, 0);
        drawn.Save(saved);
        try
        {
            return SyntheticModel.Load(saved);
        }
        finally
        {
            Directory.Delete(saved, recursive: true);
        }
    }

    private static IReadOnlyDictionary<string, MetricValue> Compare(SyntheticModel truth, int[] latents, int k)
    {
        using var scope = NewDisposeScope();
        int width = truth.Config.HiddenDim;
        Tensor decoder = TensorMemory.FromFloats([.. latents.SelectMany(feature => truth.Directions[(feature * width)..((feature + 1) * width)])], latents.Length, width);
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = width, DSae = latents.Length, K = k }, decoder.t(), zeros(latents.Length), decoder, zeros(width));
        return Compare(truth, sae);
    }

    private static IReadOnlyDictionary<string, MetricValue> Compare(SyntheticModel truth, SparseAutoencoder sae)
    {
        const int rows = 4096;
        float[] x = new float[rows * truth.Config.HiddenDim];
        new SyntheticSampler(truth).Draw(0, rows, x);
        var compared = new GroundTruth(sae, truth);
        compared.Add(new ActivationBatch
        {
            Rows = rows,
            DModel = truth.Config.HiddenDim,
            Values = x,
            Documents = [.. Enumerable.Range(0, rows).Select(i => i / SyntheticStore.DocumentRows)],
            Positions = [.. Enumerable.Range(0, rows).Select(i => i % SyntheticStore.DocumentRows)],
            Tokens = new int[rows],
        });
        return compared.Compute("held_out");
    }

    private static double Best(float[] costs, int rows, int columns, int row, HashSet<int> taken) => row == rows ? 0 : Enumerable.Range(0, columns).Where(column => !taken.Contains(column))
        .Min(column => costs[(row * columns) + column] + Best(costs, rows, columns, row + 1, [.. taken, column]));
}
