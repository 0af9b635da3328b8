using Monosemantic.Metrics;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics;

public sealed class StabilityTests
{
    [Fact]
    public void The_same_features_in_another_order_and_length_are_all_shared()
    {
        using var scope = NewDisposeScope();
        Tensor rows = eye(5), shuffled = rows.index_select(0, tensor(new long[] { 3, 0, 4, 1, 2 })) * 7;
        IReadOnlyDictionary<string, MetricValue> numbers = Stability.Of(rows, shuffled);
        Assert.Equal(1, numbers["stability_cosine"].Value!.Value, 6);
        Assert.Equal(1, numbers["stability_shared"].Value!.Value, 6);
    }

    [Fact]
    public void What_only_one_dictionary_has_is_not_shared()
    {
        using var scope = NewDisposeScope();
        // Two of the first's features are among the second's four; one is turned round.
        Tensor one = eye(4).narrow(0, 0, 3) * tensor(new float[] { 1, 1, -1 }).unsqueeze(1);
        IReadOnlyDictionary<string, MetricValue> numbers = Stability.Of(eye(4), one);
        Assert.Equal(2.0 / 4, numbers["stability_shared"].Value!.Value, 6);
        Assert.Equal(2.0 / 3, numbers["stability_cosine"].Value!.Value, 6);
    }
}
