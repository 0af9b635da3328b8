using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Monosemantic.Metrics.Probing;

namespace Monosemantic.Features;

/// <summary>What the scan has learned about one unit so far. Only ever touched by one thread at a time, in file order.</summary>
internal sealed class UnitTally(int unit, FeatureScanOptions options, LogBins bins, int tokenLimit)
{
    private readonly TallyTable tokens = new(tokenLimit);
    private readonly RankedContexts contexts = new(options, options.Contexts);
    private readonly RandomDraws draws = new(options);
    private readonly QuantileSketch sketch = new();
    private readonly long[] histogram = new long[bins.Count];
    private float max;

    internal bool Pruned => tokens.Pruned;

    internal ReadOnlySpan<long> Histogram => histogram;

    /// <summary>Rows at which it fires.</summary>
    internal long Firings { get; private set; }

    /// <summary>Sum of its activations.</summary>
    internal double Sum { get; private set; }

    /// <summary>Sum of their squares.</summary>
    internal double Squares { get; private set; }

    /// <summary>Takes in the unit's firings first to before last, by their number in the buffer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Add(ScanBuffer buffer, int first, int last, ChunkOrder order)
    {
        ReadOnlySpan<int> rows = buffer.RowsOf(unit);
        ReadOnlySpan<float> values = buffer.ValuesOf(unit);
        for (int i = first; i < last; i++)
        {
            Count(values[i]);
            tokens.Add(buffer.TokenAt(rows[i]), values[i]);
        }
        Draw(buffer, rows, values, first, last, order);
        Rank(buffer, rows, values, first, last, order);
    }

    internal UnitEvidence Evidence(UnitKind kind, long scanned, ReadOnlySpan<long> occurrences, UnitLogits logits, Range shownBins)
    {
        Tally[] ordered = tokens.Ordered();
        ImmutableArray<FiringEvidence> sample = draws.Firings();
        (int firstBin, int shown) = shownBins.GetOffsetAndLength(bins.Count);
        var ranked = ImmutableArray.CreateBuilder<TokenEvidence>();
        foreach (Tally tally in ordered.AsSpan(0, Math.Min(options.Tokens, ordered.Length)))
        {
            ranked.Add(new(tally.Id, tally.Count, occurrences[tally.Id], tally.Sum / tally.Count, tally.Max));
        }
        return new UnitEvidence
        {
            Kind = kind,
            Index = unit,
            Firings = Firings,
            Density = scanned > 0 ? (double)Firings / scanned : 0,
            Mean = Firings > 0 ? Sum / Firings : 0,
            Max = max,
            TokenEntropy = Entropy(ordered),
            Purity = Firings == 0 ? null : MostOften(ordered) / (double)Firings,
            DecileConsistency = Consistency(sample),
            Quantiles = Firings == 0 ? [] : [.. FeatureScanOptions.QuantileLevels.Select(level => sketch.ValueAt(level, max))],
            Histogram = [.. histogram.AsSpan(firstBin, shown)],
            HistogramLow = options.HistogramLow + ((double)firstBin / options.BinsPerDecade),
            HistogramHigh = options.HistogramLow + ((double)(firstBin + shown) / options.BinsPerDecade),
            Tokens = ranked.ToImmutable(),
            Contexts = contexts.All(),
            Groups = Firings == 0 ? [] : ContextGroups.Of(sketch, draws.Contexts, max, Firings, options),
            Sample = sample,
            Promoted = logits.Promoted,
            Suppressed = logits.Suppressed,
            Logits = logits.Histogram,
        };
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(Firings);
        state.Write(Sum);
        state.Write(Squares);
        state.Write(max);
        state.WriteAll<long>(histogram);
        tokens.Save(state);
        contexts.Save(state);
        draws.Save(state);
        sketch.Save(state);
    }

    internal void Load(BinaryReader state)
    {
        Firings = state.ReadInt64();
        Sum = state.ReadDouble();
        Squares = state.ReadDouble();
        max = state.ReadSingle();
        state.ReadAll<long>().CopyTo(histogram, 0);
        tokens.Load(state);
        contexts.Load(state);
        draws.Load(state);
        sketch.Load(state);
    }

    private void Count(float value)
    {
        Firings++;
        Sum += value;
        Squares += (double)value * value;
        max = Math.Max(max, value);
        histogram[bins.Of(value)]++;
        sketch.Add(value);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Draw(ScanBuffer buffer, ReadOnlySpan<int> rows, ReadOnlySpan<float> values, int first, int last, ChunkOrder order)
    {
        order.Clear();
        for (int i = first; i < last; i++)
        {
            ulong priority = Priority(buffer, rows[i]);
            if (draws.Admits(priority)) order.Add(priority, i);
        }
        while (order.TryTake(out ulong priority, out int i) && draws.Admits(priority)) draws.Offer(priority, buffer, unit, rows[i], values[i]);
    }

    private ulong Priority(ScanBuffer buffer, int row) => RandomDraws.PriorityOf(options.Seed, unit, buffer.DocumentAt(row), buffer.PositionAt(row));

    // The strongest first, among equals in file order.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Rank(ScanBuffer buffer, ReadOnlySpan<int> rows, ReadOnlySpan<float> values, int first, int last, ChunkOrder order)
    {
        order.Clear();
        for (int i = first; i < last; i++)
        {
            ulong rank = RankedContexts.RankOf(values[i]);
            if (contexts.Admits(rank)) order.Add((rank << 32) | (uint)i, i);
        }
        while (order.TryTake(out _, out int i))
        {
            ulong rank = RankedContexts.RankOf(values[i]);
            if (!contexts.Admits(rank)) return;
            if (IsPeak(buffer, rows, values, i)) contexts.Offer(rank, buffer, unit, rows[i]);
        }
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

    private static long MostOften(ReadOnlySpan<Tally> ordered)
    {
        long most = 0;
        foreach (Tally tally in ordered) most = Math.Max(most, tally.Count);
        return most;
    }

    private static double? Consistency(ImmutableArray<FiringEvidence> drawn)
    {
        double value = TokenScores.DecileConsistency([.. drawn.Select(firing => firing.Token)], [.. drawn.Select(firing => firing.Activation)]);
        return double.IsNaN(value) ? null : value;
    }

    private double? Entropy(ReadOnlySpan<Tally> ordered)
    {
        if (Firings == 0) return null;
        double known = 0;
        foreach (Tally tally in ordered) known += tally.Sum;
        // What was forgotten of a unit with more tokens than fit counts as one token: a lower bound.
        double forgotten = tokens.Pruned ? Math.Max(0, Sum - known) : 0, total = known + forgotten, bits = 0;
        foreach (Tally tally in ordered) bits += Surprise(tally.Sum / total);
        return Math.Max(0, bits + Surprise(forgotten / total));
    }

    private static double Surprise(double share) => share > 0 ? -share * Math.Log2(share) : 0;
}
