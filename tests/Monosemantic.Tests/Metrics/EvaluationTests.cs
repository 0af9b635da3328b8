using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics;

public sealed class EvaluationTests
{
    [Fact]
    public void A_dictionary_of_the_axes_keeps_the_k_largest_coordinates()
    {
        using SparseAutoencoder sae = Axes(width: 3, k: 1);
        // The second row is inserted and does not count; every other row loses all but its largest coordinate.
        ActivationBatch batch = Batch([3, 1, 0, 50, 50, 50, 0, 2, 1, 0, 4, 0], [0, -1, 1, 2]);
        EvaluationResult result = Evaluation.Measure(sae, [batch], "held_out", cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(("held_out", 3), (result.Split, result.Rows));
        Assert.Equal(2.0 / 3, result.MsePerVector, 6);
        // Means (1, 7/3, 1/3); E|x|^2 - |E x|^2 = 31/3 - 59/9.
        Assert.Equal(2.0 / 3 / (34.0 / 9), result.Fvu!.Value, 6);
        Assert.Equal(1, result.L0);
        Assert.Equal(1.0 / 3, result.DeadFraction, 12);
        Assert.Equal(((3 / Math.Sqrt(10)) + (2 / Math.Sqrt(5)) + 1) / 3, result.CosineSimilarity!.Value, 6);
        Assert.Null(result.CrossEntropy);
        Assert.Equal(result.Fvu, result.Numbers["fvu"].Value);
        Assert.Equal((3, 1), (result.Numbers["l0"].Tokens, result.Numbers["l0"].Value));
        Assert.Contains("not known", result.Numbers["explained_variance_legacy"].Undefined);
        Assert.Equal(1, result.Density!.Never);
        EvaluationResult read = JsonFile.Parse<EvaluationResult>(System.Text.Encoding.UTF8.GetBytes(JsonFile.ToText(result)), "metrics.json");
        Assert.Equal(result.Numbers, read.Numbers);
    }

    [Fact]
    public void Nothing_to_measure_a_wrong_width_and_broken_values_are_refused()
    {
        using SparseAutoencoder sae = Axes(width: 3, k: 1);
        EvaluationResult Measure(params ActivationBatch[] batches) => Evaluation.Measure(sae, batches, "held_out", cancellation: TestContext.Current.CancellationToken);
        Assert.Contains("held_out", Assert.Throws<UserErrorException>(() => Measure()).Message);
        Assert.Throws<UserErrorException>(() => Measure(Batch([1, 2, 3], [-1])));
        Assert.Contains("4 wide", Assert.Throws<UserErrorException>(() => Measure(Batch([1, 2, 3, 4], [0]))).Message);
        Assert.Throws<UserErrorException>(() => Measure(Batch([float.PositiveInfinity, 2, 3], [0])));
    }

    internal static SparseAutoencoder Axes(int width, int k)
    {
        using var scope = NewDisposeScope();
        return SparseAutoencoder.FromWeights(new SaeConfig { DModel = width, DSae = width, K = k }, eye(width), zeros(width), eye(width), zeros(width));
    }

    private static ActivationBatch Batch(float[] values, int[] positions) => new()
    {
        Rows = positions.Length,
        DModel = values.Length / positions.Length,
        Values = values,
        Documents = new int[positions.Length],
        Positions = positions,
        Tokens = new int[positions.Length],
    };
}
