using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Dictionaries;

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
        double deviation = Math.Sqrt(2.0 / 3);
        var neurons = NeuronBasis.OfResidual([10_001, 5, 8], [deviation, 0, 1.5], k: 3);

        SparseCode code = neurons.Encode(Batch([10_003f, 99, 7], 3));

        Assert.Equal([0], code.FeaturesOf(0).ToArray());
        Assert.Equal(2 / deviation, code.ValuesOf(0)[0], 5);
        Assert.Equal(2, code.ValuesOf(0)[0] * neurons.UnitOf(0), 5);
        Assert.Equal([0, 1.5f, 1], [neurons.UnitOf(1), neurons.UnitOf(2), NeuronBasis.OfMlp(3, 1).UnitOf(2)]);
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
