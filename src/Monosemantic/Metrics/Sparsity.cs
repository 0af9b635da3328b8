using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Metrics;

/// <summary>
/// How many features fire for a token, and how strongly.
/// <code>
/// L0_t = #{i: f_i > 0}     L1_t = sum_i f_i     both over the features of token t
/// </code>
/// </summary>
/// <param name="dSae">Number of features that could fire.</param>
internal sealed class Sparsity(int dSae) : Metric
{
    // Counts above this are kept together: a dictionary that fires so much is not sparse.
    private const int MostCounted = 1022;
    private const string Beyond = "more than 1,022 features fire";
    private const int Tokens = 0, SumL0 = 1, SumL1 = 2, Counts = 3;

    private int Bins => Math.Min(dSae, MostCounted + 1) + 1;

    /// <inheritdoc/>
    public override ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("l0", "features per token", Better.Lower, "mean over tokens of #{i: f_i > 0}", ""),
        new("l0_median", "features per token", Better.Neither, "smallest n such that at least half of the tokens have L0 <= n", Beyond),
        new("l0_p05", "features per token", Better.Neither, "smallest n such that at least 5 % of the tokens have L0 <= n", Beyond),
        new("l0_p95", "features per token", Better.Neither, "smallest n such that at least 95 % of the tokens have L0 <= n", Beyond),
        new("l1", "", Better.Neither, "mean over tokens of sum_i f_i", ""),
    ];

    /// <inheritdoc/>
    public override int Width => Counts + Bins;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(MetricRows rows, int start, int end, Span<double> sums)
    {
        for (int row = start; row < end; row++)
        {
            double l1 = 0;
            int l0 = 0;
            foreach (float value in rows.Code!.ValuesOf(row))
            {
                if (!(value > 0)) continue;
                l0++;
                l1 += value;
            }
            sums[Tokens]++;
            sums[SumL0] += l0;
            sums[SumL1] += l1;
            sums[Counts + Math.Min(l0, Bins - 1)]++;
        }
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<double> sums, Span<double> values)
    {
        values[0] = Ratio(sums[SumL0], sums[Tokens]);
        values[1] = Quantile(sums, 0.5);
        values[2] = Quantile(sums, 0.05);
        values[3] = Quantile(sums, 0.95);
        values[4] = Ratio(sums[SumL1], sums[Tokens]);
    }

    private double Quantile(ReadOnlySpan<double> sums, double share)
    {
        double below = 0, wanted = share * sums[Tokens];
        if (!(wanted > 0)) return double.NaN;
        for (int n = 0; n < Bins; n++)
        {
            below += sums[Counts + n];
            if (below >= wanted) return n > MostCounted ? double.NaN : n;
        }
        return double.NaN;
    }
}
