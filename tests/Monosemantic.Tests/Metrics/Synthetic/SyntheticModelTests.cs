using Monosemantic.Dictionaries;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics.Synthetic;

public sealed class SyntheticModelTests
{
    private static readonly SyntheticConfig Bench = SyntheticPreset.Find("synth-sae-bench-16k").Config;

    [Fact]
    public void The_firing_law_of_SynthSAEBench_has_its_published_values()
    {
        double[] p = FeatureLaws.Probabilities(Bench.FiringProbability, Bench.NumFeatures, 42);
        Assert.Equal(0.4, p[0], 12);
        Assert.Equal(0.282068, p[1], 6);
        Assert.Equal(5e-4, p[^1], 12);
        Assert.Equal(59.144, p.Sum(), 0.001);
        Assert.Equal(40.117, p.Take(4096).Sum(), 0.001);
    }

    [Fact]
    public void The_trees_of_SynthSAEBench_are_laid_out_breadth_first()
    {
        FeatureTrees trees = FeatureTrees.Build(Bench.NumFeatures, Bench.Hierarchy, 45);
        Assert.All(Enumerable.Range(128, 10_880 - 128), i => Assert.Equal((i - 128) / 4, trees.Parents[i]));
        Assert.All(Enumerable.Range(0, 128).Concat(Enumerable.Range(10_880, 5504)), i => Assert.Equal(-1, trees.Parents[i]));
        Assert.Equal((0, 1, 2, 3), (trees.Depths[127], trees.Depths[128], trees.Depths[640], trees.Depths[2688]));
        Assert.Equal(2688, trees.Exclusive.Count(exclusive => exclusive));
        double[] p = trees.Compensated(FeatureLaws.Probabilities(Bench.FiringProbability, Bench.NumFeatures, 42));
        Assert.Equal(0.10203, p[128], 5);
        Assert.Equal(0.8932, p[640], 4);
        Assert.True(p.Max() < 1);
    }

    [Fact]
    public void Directions_have_length_one_and_the_descent_parts_them()
    {
        SyntheticConfig config = new() { NumFeatures = 60, HiddenDim = 40, Bias = 0.5 };
        (float[] random, float[] bias) = FeatureDirections.Draw(config, null, TestContext.Current.CancellationToken);
        (float[] parted, _) = FeatureDirections.Draw(config with { Orthogonalization = new(200, 0.01) }, null, TestContext.Current.CancellationToken);
        Assert.All(Enumerable.Range(0, 60), i => Assert.Equal(1, Length(parted.AsSpan(i * 40, 40)), 5));
        Assert.Equal(0.5, Length(bias), 5);
        Assert.True(Overlap(parted) < 0.6 * Overlap(random), $"{Overlap(parted)} against {Overlap(random)}");
    }

    [Fact]
    public void The_descents_gradient_is_that_of_its_loss()
    {
        using var scope = NewDisposeScope();
        Tensor rows = TensorMemory.FromFloats(FeatureDirections.Draw(new() { NumFeatures = 7, HiddenDim = 5 }, null, TestContext.Current.CancellationToken).Directions, 7, 5).mul(1.3).requires_grad_(true);
        Tensor products = rows.mm(rows.t()), lengths = (rows * rows).sum(1);
        Tensor loss = (products * products).sum() - (lengths * lengths).sum() + (7 * (lengths - 1).square().sum());
        loss.backward();
        using var still = no_grad();
        Assert.True((FeatureDirections.Gradient(rows.detach()) - rows.grad!).abs().max().item<float>() < 1e-4f);
    }

    [Fact]
    public void The_normal_tail_and_its_inverse_are_those_of_the_tables()
    {
        Assert.Equal(0.5, NormalTail.Above(0), 6);
        Assert.Equal(0.158655, NormalTail.Above(1), 6);
        Assert.Equal(0.977250, NormalTail.Above(-2), 6);
        Assert.Equal(2.326e-4, NormalTail.Above(3.5), 6);
        double[] thresholds = NormalTail.Thresholds([0.5, 0.05, 5e-4]);
        Assert.Equal(0, thresholds[0], 6);
        Assert.Equal(1.644854, thresholds[1], 5);
        Assert.Equal(3.290527, thresholds[2], 5);
    }

    [Fact]
    public void Independent_features_fire_as_often_and_as_strongly_as_they_should()
    {
        SyntheticModel model = SyntheticModel.Create(new() { NumFeatures = 50, HiddenDim = 20, FiringProbability = new() { GeneratorName = FiringLaw.Linear, MaxProb = 0.3, MinProb = 0.05 }, StdFiringMagnitudes = new() { Value = 0.2 }, Bias = 1 }, cancellation: TestContext.Current.CancellationToken);
        SparseCode code = new SyntheticSampler(model).Draw(0, 20_000, null);
        double[] rates = Rates(code);
        Assert.All(Enumerable.Range(0, 50), i => Assert.Equal(model.Probabilities[i], rates[i], 5 * Math.Sqrt(model.Probabilities[i] / 20_000)));
        Assert.Equal(1, code.Values.Average(), 0.01);
        Assert.Equal(0.2, Math.Sqrt(code.Values.Average(value => (value - 1) * (value - 1))), 0.01);
    }

    [Fact]
    public void Correlated_features_keep_their_rates_and_fire_together_as_the_copula_says()
    {
        SyntheticModel model = SyntheticModel.Create(new() { NumFeatures = 12, HiddenDim = 20, FiringProbability = new() { Probability = 0.5 }, Correlation = new(2, 0.6) }, cancellation: TestContext.Current.CancellationToken);
        SparseCode code = new SyntheticSampler(model).Draw(0, 40_000, null);
        double[] rates = Rates(code);
        Assert.All(rates, rate => Assert.Equal(0.5, rate, 0.015));
        double[,] both = new double[12, 12];
        for (int row = 0; row < code.Rows; row++)
        {
            foreach (int i in code.FeaturesOf(row)) foreach (int j in code.FeaturesOf(row)) both[i, j] += 1.0 / code.Rows;
        }
        for (int i = 0; i < 12; i++)
        {
            for (int j = 0; j < i; j++)
            {
                // Sheppard: two normals of correlation r are both above 0 with probability 1/4 + asin(r) / (2 pi).
                double r = (model.Factor[i * 2] * model.Factor[j * 2]) + (model.Factor[(i * 2) + 1] * model.Factor[(j * 2) + 1]);
                Assert.Equal(0.25 + (Math.Asin(r) / (2 * Math.PI)), both[i, j], 0.015);
            }
        }
    }

    [Fact]
    public void Children_fire_only_with_their_parent_at_most_one_of_an_exclusive_group_and_in_its_scale()
    {
        SyntheticModel model = SyntheticModel.Create(new()
        {
            NumFeatures = 100,
            HiddenDim = 16,
            FiringProbability = new() { Probability = 0.4 },
            MeanFiringMagnitudes = new() { Value = 2 },
            StdFiringMagnitudes = new() { Value = 0.5 },
            Hierarchy = new() { TotalRootNodes = 5, BranchingFactor = 3, MaxDepth = 2, MutuallyExclusivePortion = 1, ScaleChildrenByParent = true },
        }, cancellation: TestContext.Current.CancellationToken);
        SparseCode code = new SyntheticSampler(model).Draw(0, 5000, null);
        double childSum = 0, children = 0, expected = 0;
        for (int row = 0; row < code.Rows; row++)
        {
            Dictionary<int, float> fired = code.FeaturesOf(row).ToArray().Zip(code.ValuesOf(row).ToArray()).ToDictionary(entry => entry.First, entry => entry.Second);
            Assert.All(fired.Keys, i => Assert.True(model.Trees.Parents[i] < 0 || fired.ContainsKey(model.Trees.Parents[i])));
            Assert.All(fired.Keys.Where(i => model.Trees.Parents[i] >= 0).GroupBy(i => model.Trees.Parents[i]), group => Assert.Single(group));
            foreach (int i in fired.Keys.Where(i => model.Trees.Depths[i] == 1)) (childSum, children, expected) = (childSum + fired[i], children + 1, expected + fired[model.Trees.Parents[i]]);
        }
        // The mean of a child is its own mean, 2, times its parent's value over 2.
        Assert.Equal(expected / children, childSum / children, 0.05);
    }

    [Fact]
    public void Samples_depend_on_their_index_alone()
    {
        SyntheticModel model = SyntheticModel.Create(new() { NumFeatures = 30, HiddenDim = 8, Noise = 0.1, Correlation = new(3, 0.2) }, cancellation: TestContext.Current.CancellationToken);
        var sampler = new SyntheticSampler(model);
        float[] whole = new float[40 * 8], part = new float[10 * 8];
        SparseCode code = sampler.Draw(0, 40, whole), later = sampler.Draw(30, 10, part);
        Assert.Equal(whole[(30 * 8)..], part);
        Assert.Equal(code.FeaturesOf(35).ToArray(), later.FeaturesOf(5).ToArray());
    }

    [Fact]
    public void Activations_are_the_mixture_of_the_true_features()
    {
        SyntheticModel model = SyntheticModel.Create(new() { NumFeatures = 30, HiddenDim = 8, Bias = 2 }, cancellation: TestContext.Current.CancellationToken);
        float[] x = new float[20 * 8];
        SparseCode code = new SyntheticSampler(model).Draw(0, 20, x);
        for (int row = 0; row < 20; row++)
        {
            double[] made = [.. model.Bias.Select(value => (double)value)];
            foreach ((int feature, float value) in code.FeaturesOf(row).ToArray().Zip(code.ValuesOf(row).ToArray())) for (int j = 0; j < 8; j++) made[j] += value * model.Directions[(feature * 8) + j];
            for (int j = 0; j < 8; j++) Assert.Equal(made[j], x[(row * 8) + j], 4);
        }
    }

    [Fact]
    public void Settings_that_make_no_sense_are_all_named_at_once()
    {
        var error = Assert.Throws<UserErrorException>(() => SyntheticModel.Create(new() { NumFeatures = 0, Noise = -1, FiringProbability = new() { Probability = 2 } }, cancellation: TestContext.Current.CancellationToken));
        Assert.Contains("num_features is 0", error.Message);
        Assert.Contains("noise is -1", error.Message);
        Assert.Contains("probability is 2", error.Message);
        Assert.Contains("synth-sae-bench-4k", Assert.Throws<UserErrorException>(() => SyntheticPreset.Find("bench")).Message);
        Assert.All(SyntheticPreset.All, preset => preset.Config.Check(preset.Name));
    }

    private static double[] Rates(SparseCode code)
    {
        double[] rates = new double[code.DSae];
        foreach (int feature in code.Features) rates[feature] += 1.0 / code.Rows;
        return rates;
    }

    private static double Length(ReadOnlySpan<float> row) => Math.Sqrt(row.ToArray().Sum(value => (double)value * value));

    private static double Overlap(float[] rows)
    {
        double sum = 0;
        for (int i = 0; i < 60; i++) for (int j = 0; j < i; j++) sum += Math.Pow(Enumerable.Range(0, 40).Sum(d => rows[(i * 40) + d] * rows[(j * 40) + d]), 2);
        return sum;
    }
}
