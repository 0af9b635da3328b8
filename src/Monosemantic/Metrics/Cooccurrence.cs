using System.Collections.Immutable;

namespace Monosemantic.Metrics;

/// <summary>
/// Whether features fire together: for each feature of an evenly spaced sample, the feature that it shares most tokens with.
/// <code>
/// J(i, j) = #{t: i and j fire} / #{t: i or j fires}     mean over sampled i that fire of max_(j != i) J(i, j)
/// </code>
/// </summary>
/// <remarks>A sample, since all pairs of 25,000 features would take gigabytes: 4 bytes for a sampled feature and any other.</remarks>
/// <param name="dSae">Number of features.</param>
internal sealed class Cooccurrence(int dSae) : IMetricAccumulator
{
    private const int MostSampled = 256;

    private static readonly ImmutableArray<MetricDefinition> Numbers =
    [
        new("cooccurrence_max_jaccard", "", Better.Lower, "mean over sampled features i that fire of the largest share, over j, of the tokens where i or j fires on which both do", "none of the sampled features fires"),
    ];

    private readonly int[] slots = Slots(dSae);
    private readonly int[] together = new int[(long)Math.Min(MostSampled, dSae) * dSae];
    private readonly long[] firings = new long[dSae];
    private long tokens;

    /// <inheritdoc/>
    public void Add(MetricRows rows, int count)
    {
        tokens += count;
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<float> values = rows.Code!.ValuesOf(row);
            ReadOnlySpan<int> features = rows.Code.FeaturesOf(row);
            for (int i = 0; i < features.Length; i++)
            {
                if (!(values[i] > 0)) continue;
                firings[features[i]]++;
                if (slots[features[i]] >= 0) AddPairs(together.AsSpan(slots[features[i]] * dSae, dSae), features, values);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        double[] largest = [.. Enumerable.Range(0, dSae).Where(i => slots[i] >= 0 && firings[i] > 0).Select(LargestOverlap)];
        double value = largest.Length > 0 ? largest.Average() : double.NaN;
        Interval none = Interval.None("pairs of features are counted over all documents at once");
        return Numbers.ToDictionary(number => number.Name, number => MetricValue.Of(number, value, tokens, split, none));
    }

    private static int[] Slots(int dSae)
    {
        int sampled = Math.Min(MostSampled, dSae);
        int[] slots = new int[dSae];
        Array.Fill(slots, -1);
        for (int slot = 0; slot < sampled; slot++) slots[(int)((long)slot * dSae / sampled)] = slot;
        return slots;
    }

    private static void AddPairs(Span<int> counts, ReadOnlySpan<int> features, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < features.Length; i++)
        {
            if (values[i] > 0) counts[features[i]]++;
        }
    }

    private double LargestOverlap(int feature)
    {
        ReadOnlySpan<int> shared = together.AsSpan(slots[feature] * dSae, dSae);
        double largest = 0;
        for (int other = 0; other < dSae; other++)
        {
            if (other == feature || shared[other] == 0) continue;
            largest = Math.Max(largest, shared[other] / (double)(firings[feature] + firings[other] - shared[other]));
        }
        return largest;
    }
}
