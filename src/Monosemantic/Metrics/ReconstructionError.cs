using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;

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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        for (int row = start; row < end; row++)
        {
            sums[Tokens]++;
            sums[Error] += rows.Moments[row].Error;
            sums[Spread] += rows.Moments[row].Spread;
        }
        AddDifferences(rows.X.AsSpan(start * dModel, (end - start) * dModel), rows.Shift, sums[Moved..]);
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

    // A stretch of dimensions stays in registers for all rows.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddDifferences(ReadOnlySpan<float> x, ReadOnlySpan<float> shift, Span<double> to)
    {
        int width = Vector<float>.Count, half = Vector<double>.Count, j = 0;
        for (; j <= shift.Length - width; j += width)
        {
            Vector<double> low = new(to[j..]), high = new(to[(j + half)..]);
            Vector.Widen(new Vector<float>(shift[j..]), out Vector<double> shiftLow, out Vector<double> shiftHigh);
            for (int at = j; at < x.Length; at += shift.Length)
            {
                Vector.Widen(new Vector<float>(x[at..]), out Vector<double> xLow, out Vector<double> xHigh);
                low += xLow - shiftLow;
                high += xHigh - shiftHigh;
            }
            low.CopyTo(to[j..]);
            high.CopyTo(to[(j + half)..]);
        }
        for (; j < shift.Length; j++)
        {
            for (int at = j; at < x.Length; at += shift.Length) to[j] += (double)x[at] - shift[j];
        }
    }
}
