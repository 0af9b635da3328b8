using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Metrics;

/// <summary>Mean over tokens of x . x_hat / (|x| |x_hat|), tokens where either norm is 0 left out.</summary>
internal sealed class CosineSimilarity : Metric
{
    private const int Tokens = 0, Sum = 1;

    /// <inheritdoc/>
    public override ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("cosine_similarity", "", Better.Higher, "mean over tokens with x, x_hat != 0 of x . x_hat / (|x| |x_hat|)", "x or x_hat is 0 for every token, or not finite"),
    ];

    /// <inheritdoc/>
    public override int Width => 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        for (int row = start; row < end; row++)
        {
            RowMoments moments = rows.Moments[row];
            double norms = Math.Sqrt(moments.Xx) * Math.Sqrt(moments.Yy);
            if (norms == 0) continue;
            sums[Tokens]++;
            sums[Sum] += moments.Xy / norms;
        }
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<double> sums, Span<double> values) => values[0] = Ratio(sums[Sum], sums[Tokens]);
}
