using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

public sealed class ReconstructionErrorTests
{
    [Fact]
    public void Numbers_of_a_worked_example()
    {
        var metric = new ReconstructionError(2);
        metric.Add([1, 0, 3, 0, 0, 4], [1, 0, 2, 0, 0, 0]);
        ReconstructionResult result = metric.Compute();
        // Errors 0, 1, 16; mean x (4/3, 4/3), squared distances 17/9, 41/9, 80/9; the last row has no cosine.
        Assert.Equal(3, result.Rows);
        Assert.Equal(17.0 / 3, result.MsePerVector!.Value, 12);
        Assert.Equal(17 / (138.0 / 9), result.Fvu!.Value, 12);
        Assert.Equal(1, result.CosineSimilarity!.Value, 12);
    }

    [Fact]
    public void The_mean_explains_nothing_and_x_itself_everything()
    {
        float[] x = Noise(200 * 19, 1), mean = new float[19];
        for (int i = 0; i < x.Length; i++) mean[i % 19] += x[i] / 200;
        ReconstructionError perfect = new(19), constant = new(19);
        perfect.Add(x, x);
        constant.Add(x, [.. Enumerable.Range(0, x.Length).Select(i => mean[i % 19])]);
        Assert.Equal(0, perfect.Compute().Fvu);
        Assert.Equal(1, perfect.Compute().CosineSimilarity!.Value, 12);
        Assert.Equal(1, constant.Compute().Fvu!.Value, 6);
    }

    [Fact]
    public void A_mean_far_larger_than_the_spread_costs_no_digits()
    {
        const int width = 16, rows = 4096;
        // Multiples of 1/8 near a million: exact in float32, while their squares lose the spread even in float64's last digits.
        float[] x = [.. Noise(rows * width, 2).Select(value => 1e6f + (MathF.Round(value * 8) / 8))];
        float[] y = [.. x.Select((value, i) => value + (i % 2 == 0 ? 0.125f : -0.125f))];
        var metric = new ReconstructionError(width);
        metric.Add(x, y);
        decimal variance = 0;
        for (int j = 0; j < width; j++)
        {
            decimal[] column = [.. Enumerable.Range(0, rows).Select(row => (decimal)(double)x[(row * width) + j])];
            decimal mean = column.Average();
            variance += column.Sum(value => (value - mean) * (value - mean)) / rows;
        }
        Assert.Equal((double)(width / 64m / variance), metric.Compute().Fvu!.Value, 12);
    }

    [Fact]
    public void Any_split_into_batches_gives_the_same_bits()
    {
        float[] x = Noise(120 * 21, 3), y = Noise(120 * 21, 4);
        var whole = new ReconstructionError(21);
        whole.Add(x, y);
        foreach (int rows in new[] { 1, 7, 40 })
        {
            var parts = new ReconstructionError(21);
            for (int start = 0; start < x.Length; start += rows * 21)
            {
                int length = Math.Min(rows * 21, x.Length - start);
                parts.Add(x.AsSpan(start, length), y.AsSpan(start, length));
            }
            Assert.Equal(whole.Compute(), parts.Compute());
        }
    }

    [Fact]
    public void What_is_undefined_is_null()
    {
        var metric = new ReconstructionError(2);
        Assert.Equal(new(0, null, null, null), metric.Compute());
        metric.Add([0, 0, 0, 0], [1, 1, 1, 1]);
        Assert.Equal(new(2, 2, null, null), metric.Compute());
        metric.Add([float.NaN, 0], [1, 1]);
        Assert.Equal(new(3, null, null, null), metric.Compute());
        Assert.Throws<ArgumentException>(() => metric.Add([1, 2, 3], [1, 2, 3]));
    }

    private static float[] Noise(int count, long seed)
    {
        var random = new SeededRandom(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 8) - 4))];
    }
}
