using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Metrics;

/// <summary>
/// Whether reconstructions are too short: lengths before and after, and the bias of reconstruction.
/// <code>
/// l2_ratio = mean_t |x_hat| / |x|     relative_reconstruction_bias = sum_t |x_hat|^2 / sum_t x . x_hat
/// </code>
/// </summary>
/// <remarks>The bias is below 1 where scaling x_hat up would lower the error. Source: Rajamanoharan et al. 2024 (Gated SAEs).</remarks>
internal sealed class Norms : Metric
{
    private const int Tokens = 0, In = 1, Out = 2, Compared = 3, SumRatio = 4, SquareOut = 5, Product = 6;

    /// <inheritdoc/>
    public override ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("l2_norm_in", "", Better.Neither, "mean over tokens of |x|", "a value is not finite"),
        new("l2_norm_out", "", Better.Neither, "mean over tokens of |x_hat|", "a value is not finite"),
        new("l2_ratio", "", Better.Neither, "mean over tokens with x != 0 of |x_hat| / |x|", "every x is 0"),
        new("relative_reconstruction_bias", "", Better.Neither, "sum_t |x_hat|^2 / sum_t x . x_hat; 1 is unbiased", "x and x_hat do not point the same way on the whole"),
    ];

    /// <inheritdoc/>
    public override int Width => 7;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        for (int row = start; row < end; row++)
        {
            RowMoments moments = rows.Moments[row];
            double before = Math.Sqrt(moments.Xx), after = Math.Sqrt(moments.Yy);
            sums[Tokens]++;
            sums[In] += before;
            sums[Out] += after;
            sums[SquareOut] += moments.Yy;
            sums[Product] += moments.Xy;
            if (before == 0) continue;
            sums[Compared]++;
            sums[SumRatio] += after / before;
        }
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<double> sums, Span<double> values)
    {
        values[0] = Ratio(sums[In], sums[Tokens]);
        values[1] = Ratio(sums[Out], sums[Tokens]);
        values[2] = Ratio(sums[SumRatio], sums[Compared]);
        values[3] = Ratio(sums[SquareOut], sums[Product]);
    }
}
