using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Monosemantic.Dictionaries;

namespace Monosemantic.Metrics;

/// <summary>How often features fire, as a picture: counts of features by log10 of their density.</summary>
/// <param name="From">log10 density at the left edge of the first bin.</param>
/// <param name="BinWidth">Width of a bin in log10.</param>
/// <param name="Counts">Features in each bin.</param>
/// <param name="Never">Features that never fired: they have no logarithm.</param>
public sealed record DensityHistogram(double From, double BinWidth, ImmutableArray<long> Counts, long Never);

/// <summary>
/// How often each feature fires.
/// <code>
/// density_i = #{t: f_ti > 0} / #tokens     dead: density 0 on all evaluated tokens, which are the window
/// </code>
/// </summary>
/// <param name="dSae">Number of features.</param>
internal sealed class FeatureDensity(int dSae) : IMetricAccumulator
{
    private const int Bins = 28;
    private const double From = -7, BinWidth = 0.25;
    private const string WhenUndefined = "no feature fires";

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("dead_fraction", "", Better.Lower, "share of features that fire on none of the evaluated tokens", ""),
        new("alive_fraction", "", Better.Higher, "1 - dead_fraction", ""),
        new("dense_fraction_over_1_percent", "", Better.Lower, "share of features that fire on more than 1 % of the tokens", ""),
        new("dense_fraction_over_10_percent", "", Better.Lower, "share of features that fire on more than 10 % of the tokens", ""),
        new("firings_of_dense_over_1_percent", "", Better.Lower, "share of all firings that are of features with density above 1 %", WhenUndefined),
        new("firings_of_dense_over_10_percent", "", Better.Lower, "share of all firings that are of features with density above 10 %", WhenUndefined),
    ];

    private readonly ResampledCounts counts = new(dSae);
    private readonly double[] resampledTokens = new double[ResampledCounts.Resamples];
    private long tokens, closedDocuments;
    private int document, openTokens;

    /// <summary>Tokens on which each feature fired [d_sae].</summary>
    internal ReadOnlySpan<long> Firings
    {
        get
        {
            Close();
            return counts.Totals;
        }
    }

    /// <summary>Documents in which each feature fired [d_sae].</summary>
    internal ReadOnlySpan<long> DocumentsFired
    {
        get
        {
            Close();
            return counts.Documents;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(MetricRows rows, int count)
    {
        SparseCode code = rows.Code ?? throw new ArgumentException("the rows have no code", nameof(rows));
        if (code.DSae != dSae) throw new ArgumentException($"a code of {code.DSae} features where {dSae} are counted", nameof(rows));
        for (int row = 0; row < count; row++)
        {
            if (rows.Documents[row] != document) Close();
            document = rows.Documents[row];
            openTokens++;
            ReadOnlySpan<float> values = code.ValuesOf(row);
            ReadOnlySpan<int> features = code.FeaturesOf(row);
            for (int i = 0; i < values.Length; i++)
            {
                if (values[i] > 0) counts.Add(features[i]);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        Close();
        double[] values = new double[Numbers.Length];
        Values(feature => counts.Totals[feature], tokens, values);
        double[][] samples = closedDocuments < 2 ? [] : [.. Enumerable.Range(0, ResampledCounts.Resamples).Select(Resampled)];
        return Numbers.Select((number, i) => (number, i)).ToDictionary(pair => pair.number.Name, pair =>
            MetricValue.Of(pair.number, values[pair.i], tokens, split, Interval.About(values[pair.i], [.. samples.Select(sample => sample[pair.i])], 0, 1)));
    }

    /// <summary>The density of all features, in bins.</summary>
    internal DensityHistogram Histogram()
    {
        Close();
        var bins = new long[Bins];
        long never = 0;
        foreach (long count in counts.Totals)
        {
            if (count == 0) never++;
            else bins[Math.Clamp((int)Math.Floor((Math.Log10((double)count / tokens) - From) / BinWidth), 0, Bins - 1)]++;
        }
        return new(From, BinWidth, [.. bins], never);
    }

    private double[] Resampled(int resample)
    {
        double[] values = new double[Numbers.Length];
        Values(feature => counts.Resampled(feature, resample), resampledTokens[resample], values);
        return values;
    }

    private void Values(Func<int, double> count, double of, double[] values)
    {
        Array.Fill(values, double.NaN);
        if (!(of > 0)) return;
        double dead = 0, over1 = 0, over10 = 0, all = 0, firings1 = 0, firings10 = 0;
        for (int feature = 0; feature < dSae; feature++)
        {
            double fired = count(feature);
            all += fired;
            if (fired == 0) dead++;
            if (fired > 0.01 * of) (over1, firings1) = (over1 + 1, firings1 + fired);
            if (fired > 0.1 * of) (over10, firings10) = (over10 + 1, firings10 + fired);
        }
        (values[0], values[1], values[2], values[3]) = (dead / dSae, 1 - (dead / dSae), over1 / dSae, over10 / dSae);
        if (all > 0) (values[4], values[5]) = (firings1 / all, firings10 / all);
    }

    private void Close()
    {
        if (openTokens == 0) return;
        ReadOnlySpan<float> weights = counts.Close(document);
        for (int i = 0; i < weights.Length; i++) resampledTokens[i] += weights[i] * (double)openTokens;
        tokens += openTokens;
        closedDocuments++;
        openTokens = 0;
    }
}
