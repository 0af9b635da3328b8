using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;

namespace Monosemantic.Tests.Metrics.Synthetic;

/// <summary>What is known of sparse autoencoders comes out here too, on data whose features are known.</summary>
[Trait("kind", "slow")]
public sealed class KnownFactTests
{
    private static readonly SyntheticConfig Independent = new() { NumFeatures = 96, HiddenDim = 32, FiringProbability = new() { Probability = 0.04 }, StdFiringMagnitudes = new() { Value = 0.25 } };

    // As many dimensions as features: what shrinks here is not for want of room.
    private static readonly SyntheticConfig Roomy = Independent with { NumFeatures = 64, HiddenDim = 64 };

    // Every parent has two children that never fire together; a child never fires without its parent.
    private static readonly SyntheticConfig Families = new()
    {
        NumFeatures = 60,
        HiddenDim = 48,
        FiringProbability = new() { Probability = 0.15 },
        StdFiringMagnitudes = new() { Value = 0.25 },
        Hierarchy = new() { TotalRootNodes = 20, BranchingFactor = 2, MaxDepth = 1, MutuallyExclusivePortion = 1, CompensateProbabilities = true },
    };

    [Fact]
    public void More_features_are_recovered_the_sparser_they_fire()
    {
        double[] recovered = [.. new[] { 0.15, 0.06, 0.02 }.Select(probability => Value(SyntheticTraining.Train(
            Independent with { FiringProbability = new() { Probability = probability } }, "topk", 96, Math.Max(1, (int)Math.Round(96 * probability)), 400_000), "recovered_fraction"))];
        Assert.True(recovered[0] < recovered[1] && recovered[1] < recovered[2], string.Join(", ", recovered));
        Assert.InRange(recovered[2], 0.7, 1);
    }

    [Fact]
    public void TopK_does_not_shrink_what_it_finds() =>
        Assert.InRange(Value(SyntheticTraining.Train(Roomy, "topk", 64, 3, 400_000), "activation_ratio"), 0.93, 1.07);

    [Fact]
    public void L1_shrinks_what_it_finds() =>
        Assert.InRange(Value(SyntheticTraining.Train(Roomy, "relu", 64, 3, 400_000), "activation_ratio"), 0.2, 0.93);

    [Fact]
    public void BatchTopK_beats_TopK_at_the_same_mean_L0()
    {
        IReadOnlyDictionary<string, MetricValue> batch = SyntheticTraining.Train(Roomy, "batch_topk", 64, 3, 400_000), token = SyntheticTraining.Train(Roomy, "topk", 64, 3, 400_000);
        Assert.Equal(Value(token, "l0"), Value(batch, "l0"), 0.4);
        Assert.True(Value(batch, "fvu") < Value(token, "fvu"), $"{Value(batch, "fvu")} against {Value(token, "fvu")}");
    }

    [Fact]
    public void Matryoshka_absorbs_less()
    {
        double nested = Value(SyntheticTraining.Train(Families, "matryoshka_batch_topk", 60, 5, 400_000), "absorption"), flat = Value(SyntheticTraining.Train(Families, "batch_topk", 60, 5, 400_000), "absorption");
        Assert.True(nested < flat, $"{nested} against {flat}");
    }

    private static double Value(IReadOnlyDictionary<string, MetricValue> numbers, string name) => numbers[name].Value ?? throw new InvalidOperationException($"{name} is undefined: {numbers[name].Undefined}");
}
