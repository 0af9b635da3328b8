using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>What the scan has learned about one unit so far. Only ever touched by one thread at a time, in file order.</summary>
internal sealed class UnitTally(int unit, FeatureScanOptions options, LogBins bins, int tokenLimit)
{
    private readonly TokenTable tokens = new(tokenLimit);
    private readonly StrongestContexts contexts = new(options);
    private readonly long[] histogram = new long[bins.Count];
    private long firings;
    private double sum;
    private float max;

    internal bool Pruned => tokens.Pruned;

    internal ReadOnlySpan<long> Histogram => histogram;

    /// <summary>Takes in the unit's firings at rows [from, to) of the buffer.</summary>
    internal void Add(ScanBuffer buffer, int from, int to)
    {
        ReadOnlySpan<int> rows = buffer.RowsOf(unit);
        ReadOnlySpan<float> values = buffer.ValuesOf(unit);
        for (int i = 0; i < rows.Length; i++)
        {
            int row = rows[i];
            if (row < from) continue;
            if (row >= to) break;
            float value = values[i];
            firings++;
            sum += value;
            max = Math.Max(max, value);
            histogram[bins.Of(value)]++;
            tokens.Add(buffer.TokenAt(row), value);
            if (contexts.Admits(value) && IsPeak(buffer, rows, values, i)) contexts.Offer(buffer.ContextAt(unit, row, options));
        }
    }

    internal UnitEvidence Evidence(UnitKind kind, long scanned, ReadOnlySpan<long> occurrences, UnitLogits logits, Range shownBins)
    {
        TokenTally[] ordered = tokens.Ordered();
        (int firstBin, int shown) = shownBins.GetOffsetAndLength(bins.Count);
        var ranked = ImmutableArray.CreateBuilder<TokenEvidence>();
        foreach (TokenTally tally in ordered.AsSpan(0, Math.Min(options.Tokens, ordered.Length)))
        {
            ranked.Add(new(tally.Token, tally.Count, occurrences[tally.Token], tally.Sum / tally.Count, tally.Max));
        }
        return new UnitEvidence
        {
            Kind = kind,
            Index = unit,
            Firings = firings,
            Density = scanned > 0 ? (double)firings / scanned : 0,
            Mean = firings > 0 ? sum / firings : 0,
            Max = max,
            TokenEntropy = Entropy(ordered),
            Histogram = [.. histogram.AsSpan(firstBin, shown)],
            HistogramLow = options.HistogramLow + ((double)firstBin / options.BinsPerDecade),
            HistogramHigh = options.HistogramLow + ((double)(firstBin + shown) / options.BinsPerDecade),
            Tokens = ranked.ToImmutable(),
            Contexts = contexts.Ranked,
            Promoted = logits.Promoted,
            Suppressed = logits.Suppressed,
        };
    }

    // The strongest of the firings whose stretch of text would overlap, the earliest of equals: what it depends on lies
    // within reach, so it can be told while streaming, and two contexts of a unit never overlap.
    private bool IsPeak(ScanBuffer buffer, ReadOnlySpan<int> rows, ReadOnlySpan<float> values, int i)
    {
        int row = rows[i], reach = options.Reach;
        for (int j = i - 1; j >= 0 && row - rows[j] <= reach && buffer.SameRun(rows[j], row); j--)
        {
            if (values[j] >= values[i]) return false;
        }
        for (int j = i + 1; j < rows.Length && rows[j] - row <= reach && buffer.SameRun(rows[j], row); j++)
        {
            if (values[j] > values[i]) return false;
        }
        return true;
    }

    private double? Entropy(ReadOnlySpan<TokenTally> ordered)
    {
        if (firings == 0) return null;
        double known = 0;
        foreach (TokenTally tally in ordered) known += tally.Sum;
        // What was forgotten of a unit with more tokens than fit counts as one token: a lower bound.
        double forgotten = tokens.Pruned ? Math.Max(0, sum - known) : 0, total = known + forgotten, bits = 0;
        foreach (TokenTally tally in ordered) bits += Surprise(tally.Sum / total);
        return Math.Max(0, bits + Surprise(forgotten / total));
    }

    private static double Surprise(double share) => share > 0 ? -share * Math.Log2(share) : 0;
}
