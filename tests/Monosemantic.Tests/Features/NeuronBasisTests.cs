using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Features;

public sealed class NeuronBasisTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(37)]
    [InlineData(99)]
    public void The_k_largest_positive_activations_fire(int k)
    {
        const int rows = 300, width = 37;
        var random = new SeededRandom(k);
        // Coarse values, so that there are ties at every place.
        float[] values = [.. Enumerable.Range(0, rows * width).Select(_ => (float)Math.Floor((random.NextDouble() * 16) - 8))];
        SparseCode code = NeuronBasis.OfMlp(width, k).Encode(Batch(values, width));

        Assert.Equal((rows, width), (code.Rows, code.DSae));
        for (int row = 0; row < rows; row++)
        {
            float[] x = values[(row * width)..((row + 1) * width)];
            int[] expected = [.. Enumerable.Range(0, width).Where(j => x[j] > 0).OrderByDescending(j => x[j]).ThenBy(j => j).Take(k).Order()];
            Assert.Equal(expected, code.FeaturesOf(row).ToArray());
            Assert.Equal(expected.Select(j => x[j]), code.ValuesOf(row).ToArray());
        }
    }

    [Fact]
    public void Residual_dimensions_are_measured_in_their_own_deviations_from_their_own_mean()
    {
        var moments = new ActivationMoments(3);
        moments.Add([10_000f, 5, 7, 10_002f, 5, 7, 10_001f, 5, 10]);
        Assert.Equal([10_001.0, 5, 8], moments.Mean);
        Assert.Equal(Math.Sqrt(2.0 / 3), moments.Deviation[0], 12);
        Assert.Equal(0, moments.Deviation[1]);

        SparseCode code = NeuronBasis.OfResidual(moments, k: 3).Encode(Batch([10_003f, 99, 7], 3));

        Assert.Equal([0], code.FeaturesOf(0).ToArray());
        Assert.Equal(2 / Math.Sqrt(2.0 / 3), code.ValuesOf(0)[0], 5);
    }

    [Fact]
    public void Moments_do_not_depend_on_batches()
    {
        var random = new SeededRandom(1);
        float[] values = [.. Enumerable.Range(0, 60).Select(_ => (float)random.NextDouble())];
        ActivationMoments whole = new(4), parts = new(4);
        whole.Add(values);
        for (int start = 0; start < values.Length; start += 12) parts.Add(values.AsSpan(start, 12));
        Assert.Equal(whole.Mean, parts.Mean);
        Assert.Equal(whole.Deviation, parts.Deviation);
        Assert.All(new ActivationMoments(4).Deviation, value => Assert.Equal(0, value));
    }

    private static ActivationBatch Batch(float[] values, int width) => new()
    {
        Rows = values.Length / width,
        DModel = width,
        Values = values,
        Documents = new int[values.Length / width],
        Positions = new int[values.Length / width],
        Tokens = new int[values.Length / width],
    };
}
