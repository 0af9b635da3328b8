using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Monosemantic.Dictionaries;

namespace Monosemantic.Metrics;

/// <summary>
/// Whether features fire together: for each feature of an evenly spaced sample, the feature that it shares most tokens with.
/// <code>
/// J(i, j) = #{t: i and j fire} / #{t: i or j fires}     mean over sampled i that fire of max_(j != i) J(i, j)
/// </code>
/// </summary>
/// <remarks>
/// A sample, since all pairs of 25,000 features would take gigabytes: 32 bytes for a sampled feature and any other. Documents fall
/// into eight groups, and the interval comes from leaving one group out at a time (the delete-a-group jackknife, Kott 2001), since
/// the counts of a thousand resamples would not fit.
/// </remarks>
/// <param name="dSae">Number of features.</param>
internal sealed class Cooccurrence(int dSae) : IMetricAccumulator
{
    private const int MostSampled = 128, Groups = 8;

    // Student's t with Groups - 1 degrees of freedom, 97.5 %.
    private const double Quantile = 2.365;

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Numbers { get; } =
    [
        new("cooccurrence_max_jaccard", "", Better.Lower, "mean over sampled features i that fire of the largest share, over j, of the tokens where i or j fires on which both do", "none of the sampled features fires"),
    ];

    private readonly int[] slots = Slots(dSae);
    private readonly int[]?[] together = new int[Groups][];
    private readonly long[][] firings = [.. Enumerable.Range(0, Groups).Select(_ => new long[dSae])];
    private readonly int[] fired = new int[dSae];
    private long tokens;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(MetricRows rows, int count)
    {
        tokens += count;
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<int> features = Fired(rows.Code!, row);
            int group = GroupOf(rows.Documents[row]);
            int[] pairs = together[group] ??= new int[(long)Math.Min(MostSampled, dSae) * dSae];
            long[] firing = firings[group];
            foreach (int feature in features)
            {
                firing[feature]++;
                if (slots[feature] < 0) continue;
                Span<int> counts = pairs.AsSpan(slots[feature] * dSae, dSae);
                foreach (int other in features) counts[other]++;
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        double value = Mean(leftOut: -1);
        Interval interval = IntervalOf(value);
        return Numbers.ToDictionary(number => number.Name, number => MetricValue.Of(number, value, tokens, split, interval));
    }

    private Interval IntervalOf(double value)
    {
        int[] present = [.. Enumerable.Range(0, Groups).Where(group => together[group] is not null)];
        if (present.Length < Groups) return Interval.None($"the documents do not fill {Groups} groups");
        double[] without = [.. present.Select(Mean)];
        double mean = without.Average(), half = Quantile * Math.Sqrt((Groups - 1.0) / Groups * without.Sum(other => (other - mean) * (other - mean)));
        return double.IsFinite(half) ? new(Math.Max(0, value - half), Math.Min(1, value + half), null) : Interval.None("undefined without one of the groups of documents");
    }

    // The same for a document whenever it is met.
    private static int GroupOf(int document) => (int)(((uint)document * 2654435769u) >> 29);

    private double Mean(int leftOut)
    {
        int[] groups = [.. Enumerable.Range(0, Groups).Where(group => group != leftOut && together[group] is not null)];
        double[] largest = [.. Enumerable.Range(0, dSae).Where(i => slots[i] >= 0 && Firings(i, groups) > 0).Select(i => LargestOverlap(i, groups))];
        return largest.Length > 0 ? largest.Average() : double.NaN;
    }

    private long Firings(int feature, int[] groups)
    {
        long sum = 0;
        foreach (int group in groups) sum += firings[group][feature];
        return sum;
    }

    private static int[] Slots(int dSae)
    {
        int sampled = Math.Min(MostSampled, dSae);
        int[] slots = new int[dSae];
        Array.Fill(slots, -1);
        for (int slot = 0; slot < sampled; slot++) slots[(int)((long)slot * dSae / sampled)] = slot;
        return slots;
    }

    private ReadOnlySpan<int> Fired(SparseCode code, int row)
    {
        ReadOnlySpan<float> values = code.ValuesOf(row);
        ReadOnlySpan<int> features = code.FeaturesOf(row);
        int count = 0;
        for (int i = 0; i < values.Length; i++)
        {
            fired[count] = features[i];
            if (values[i] > 0) count++;
        }
        return fired.AsSpan(0, count);
    }

    private double LargestOverlap(int feature, int[] groups)
    {
        double largest = 0;
        long own = Firings(feature, groups);
        for (int other = 0; other < dSae; other++)
        {
            if (other == feature) continue;
            long shared = 0;
            foreach (int group in groups) shared += together[group]![(slots[feature] * dSae) + other];
            if (shared > 0) largest = Math.Max(largest, shared / (double)(own + Firings(other, groups) - shared));
        }
        return largest;
    }
}
