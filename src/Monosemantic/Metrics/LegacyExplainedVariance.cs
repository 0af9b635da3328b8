using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Metrics;

/// <summary>
/// The mean over tokens of each token's own explained variance, which older tools report as explained variance. Tokens near
/// the mean weigh as much as far ones, so it is lower than <c>explained_variance</c> and not to be compared with it.
/// <code>
/// mean_t (1 - |x_t - x_hat_t|^2 / |x_t - m|^2)
/// </code>
/// </summary>
/// <remarks>m is the mean of the whole store. The older tools take the mean of the batch, so that their number depends on its size.</remarks>
/// <param name="hasMean">Whether the shift of the rows is that mean.</param>
internal sealed class LegacyExplainedVariance(bool hasMean) : Metric
{
    private const int Tokens = 0, Sum = 1;

    /// <inheritdoc/>
    public override ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("explained_variance_legacy", "", Better.Higher, "mean over tokens with x != m of 1 - |x - x_hat|^2 / |x - m|^2, m the mean of the store", hasMean ? "no token differs from the mean" : "the mean of the store is not known"),
    ];

    /// <inheritdoc/>
    public override int Width => 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        if (!hasMean) return;
        for (int row = start; row < end; row++)
        {
            RowMoments moments = rows.Moments[row];
            if (moments.Spread == 0) continue;
            sums[Tokens]++;
            sums[Sum] += 1 - (moments.Error / moments.Spread);
        }
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<double> sums, Span<double> values) => values[0] = Ratio(sums[Sum], sums[Tokens]);
}
