using Monosemantic.Activations;
using Monosemantic.Features;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Features;

public sealed class CrossCorrelationTests
{
    private const int Rows = 300, Width = 5, Units = 4;
    private readonly float[] x = new float[Rows * Width];
    private readonly float[][] code = new float[Rows][];

    public CrossCorrelationTests()
    {
        var random = new SeededRandom(3);
        for (int row = 0; row < Rows; row++)
        {
            for (int j = 0; j < Width; j++) x[(row * Width) + j] = j == 4 ? 2 : 100 + (float)random.NextDouble();
            code[row] = [x[row * Width] > 100.6f ? x[row * Width] - 100 : 0, random.NextDouble() < 0.2 ? 1 : 0, 0, Math.Max(0, 100.4f - x[(row * Width) + 1])];
        }
    }

    [Theory]
    [InlineData(300)]
    [InlineData(7)]
    public void Correlations_equal_their_definition_however_rows_are_split(int batch)
    {
        var correlation = new CrossCorrelation(Units, Width);
        for (int start = 0; start < Rows; start += batch) Add(correlation, start, Math.Min(Rows, start + batch));
        for (int unit = 0; unit < Units; unit++)
        {
            double[] f = [.. code.Select(row => (double)row[unit])];
            double[] found = correlation.Of(unit, MomentsOf(f));
            for (int j = 0; j < Width; j++)
            {
                double[] column = [.. Enumerable.Range(0, Rows).Select(row => (double)x[(row * Width) + j])];
                double expected = unit == 2 || j == 4 ? 0 : ScanOracle.Pearson(f, column);
                Assert.Equal(expected, found[j], 7);
            }
        }
        var (features, neurons) = correlation.Strongest([.. Enumerable.Range(0, Units).Select(unit => MomentsOf([.. code.Select(row => (double)row[unit])]))], 2);
        Assert.Equal(0, features[0][0].Index);
        Assert.Equal(1, features[3][0].Index);
        Assert.True(features[3][0].Value < -0.5);
        Assert.Equal(3, neurons[1][0].Index);
        Assert.Empty(features[2]);
    }

    [Fact]
    public void Nearest_directions_have_the_largest_cosine_and_leave_out_themselves()
    {
        using Tensor decoder = randn([20, 6], generator: new Generator(5));
        float[][] rows = [.. Enumerable.Range(0, 20).Select(i => decoder[i].data<float>().ToArray())];
        double Cosine(int a, int b) => rows[a].Zip(rows[b], (p, q) => (double)p * q).Sum() / Math.Sqrt(rows[a].Sum(p => (double)p * p) * rows[b].Sum(q => (double)q * q));
        var nearest = DecoderGeometry.Nearest(decoder, 3, TestContext.Current.CancellationToken);
        for (int i = 0; i < 20; i++)
        {
            int[] expected = [.. Enumerable.Range(0, 20).Where(j => j != i).OrderByDescending(j => Cosine(i, j)).Take(3)];
            Assert.Equal(expected, nearest[i].Select(neighbour => neighbour.Index));
            Assert.Equal(Cosine(i, expected[0]), nearest[i][0].Value, 5);
        }
    }

    [Fact]
    public void The_map_puts_directions_along_the_axes_they_vary_on()
    {
        using Tensor decoder = zeros(6, 4);
        for (int i = 0; i < 6; i++)
        {
            decoder[i, 0] = tensor(1f);
            decoder[i, 1] = tensor(i < 3 ? 3f : -3f);
            decoder[i, 2] = tensor(i % 3 * 0.5f);
        }
        var map = DecoderGeometry.Map(decoder);
        Assert.Equal(6, map.Length);
        Assert.True(map.Take(3).All(point => point.X * map[0].X > 0) && map.Skip(3).All(point => point.X * map[0].X < 0));
        Assert.True(map.Max(point => Math.Abs(point.X)) > map.Max(point => Math.Abs(point.Y)));
        Assert.True(map.Max(point => point.Y) >= -map.Min(point => point.Y));
    }

    private static (double Mean, double Deviation) MomentsOf(double[] values)
    {
        double mean = values.Average();
        return (mean, Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / values.Length));
    }

    private void Add(CrossCorrelation correlation, int start, int end)
    {
        var batch = new ActivationBatch { Rows = end - start, DModel = Width, Values = x[(start * Width)..(end * Width)], Documents = new int[end - start], Positions = [.. Enumerable.Range(start, end - start)], Tokens = new int[end - start] };
        correlation.Add(batch, ScanData.CodeOf(code[start..end], Units));
    }
}
