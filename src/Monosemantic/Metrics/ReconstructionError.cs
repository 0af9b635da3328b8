using System.Collections.Immutable;
using System.Numerics;

namespace Monosemantic.Metrics;

/// <summary>
/// Error of reconstructions.
/// <code>
/// FVU = sum_t |x - x_hat|^2 / sum_t |x - m|^2     m: the mean over everything added, not over a batch
/// </code>
/// </summary>
/// <remarks>
/// The variance is summed about a vector near the mean, which keeps its digits where the mean is large against the spread
/// (residual streams are such data). A resample's variance is about its own mean.
/// </remarks>
/// <param name="dModel">Width of a vector.</param>
internal sealed class ReconstructionError(int dModel) : Metric
{
    private const int Tokens = 0, Error = 1, Spread = 2, Moved = 3;

    /// <inheritdoc/>
    public override ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("fvu", "", Better.Lower, "sum_t |x - x_hat|^2 / sum_t |x - m|^2, m the mean of all evaluated x", "the rows do not vary, or a value is not finite"),
        new("explained_variance", "", Better.Higher, "1 - fvu", "the rows do not vary, or a value is not finite"),
        new("mse_per_vector", "", Better.Lower, "mean over tokens of |x - x_hat|^2, summed over dimensions", "a value is not finite"),
        new("mse_per_element", "", Better.Lower, "mse_per_vector / d_model", "a value is not finite"),
    ];

    /// <inheritdoc/>
    public override int Width => Moved + dModel;

    /// <inheritdoc/>
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        Span<double> moved = sums[Moved..];
        for (int row = start; row < end; row++)
        {
            sums[Tokens]++;
            sums[Error] += rows.Moments[row].Error;
            sums[Spread] += rows.Moments[row].Spread;
            AddDifference(rows.X.AsSpan(row * dModel, dModel), rows.Shift, moved);
        }
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<double> sums, Span<double> values)
    {
        double n = sums[Tokens], fvu = Ratio(sums[Error], Variance(sums));
        values[0] = fvu;
        values[1] = 1 - fvu;
        values[2] = Ratio(sums[Error], n);
        values[3] = Ratio(sums[Error], n * dModel);
    }

    // sum |x - m|^2 = sum |x - s|^2 - |sum (x - s)|^2 / n. What is left of rounding is no variance.
    private static double Variance(ReadOnlySpan<double> sums)
    {
        double square = 0;
        foreach (double sum in sums[Moved..]) square += sum * sum;
        double variance = sums[Spread] - (square / sums[Tokens]);
        return variance > 1e-13 * sums[Spread] ? variance : 0;
    }

    private static void AddDifference(ReadOnlySpan<float> x, ReadOnlySpan<float> shift, Span<double> to)
    {
        int width = Vector<float>.Count, half = Vector<double>.Count, j = 0;
        for (; j <= x.Length - width; j += width)
        {
            Vector.Widen(new Vector<float>(x[j..]), out Vector<double> low, out Vector<double> high);
            Vector.Widen(new Vector<float>(shift[j..]), out Vector<double> shiftLow, out Vector<double> shiftHigh);
            (new Vector<double>(to[j..]) + (low - shiftLow)).CopyTo(to[j..]);
            (new Vector<double>(to[(j + half)..]) + (high - shiftHigh)).CopyTo(to[(j + half)..]);
        }
        for (; j < x.Length; j++) to[j] += (double)x[j] - shift[j];
    }
}
