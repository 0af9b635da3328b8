using Monosemantic.Dictionaries;
using Monosemantic.Metrics;

namespace Monosemantic.Tests.Metrics;

public sealed class SparsityTests
{
    [Fact]
    public void Firings_are_counted_per_token_and_per_feature()
    {
        var metric = new Sparsity(4);
        metric.Add(Code([0, 2, 3, 3], [0, 2, 2]));
        metric.Add(Code([0, 1], [2]));
        SparsityResult result = metric.Compute();
        Assert.Equal(4, result.Rows);
        Assert.Equal(1, result.L0);
        Assert.Equal(0.5, result.DeadFraction);
        Assert.Equal([1, 0, 3, 0], result.Firings);
    }

    [Fact]
    public void Without_a_token_nothing_is_defined()
    {
        SparsityResult result = new Sparsity(4).Compute();
        Assert.Null(result.L0);
        Assert.Null(result.DeadFraction);
    }

    [Fact]
    public void A_code_of_another_size_is_refused() => Assert.Throws<ArgumentException>(() => new Sparsity(5).Add(Code([0, 1], [2])));

    [Fact]
    public void Cross_entropy_is_the_mean_over_what_counts()
    {
        var metric = new CrossEntropyAccumulator();
        Assert.Null(metric.Compute());
        metric.Add([1, 100, 2], [true, false, true]);
        metric.Add([6], [true]);
        Assert.Equal(3, metric.Compute());
        Assert.Equal(3, metric.Tokens);
        Assert.Throws<ArgumentException>(() => metric.Add([1], []));
        metric.Add([float.PositiveInfinity], [true]);
        Assert.Null(metric.Compute());
    }

    private static SparseCode Code(int[] offsets, int[] features) => new()
    {
        Rows = offsets.Length - 1,
        DSae = 4,
        RowOffsets = offsets,
        Features = features,
        Values = [.. features.Select(_ => 1f)],
    };
}
