using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Monosemantic.Features;

/// <summary>Rows at which two units fire together, and the sum of the products of their activations there. 16 bytes.</summary>
internal struct PairTally
{
    internal double Sum;
    internal long Count;
}

/// <summary>
/// Which units fire together. As many units as their pairs fit (<see cref="FeatureScanOptions.MaxPairsOfUnits"/>) have a place for
/// every pair, kept by the unit of lower index; of more, each counts its own partners in a table that forgets the weakest.
/// A unit's entries are only ever touched by the thread that works on the unit.
/// </summary>
internal sealed class PartnerTallies
{
    private const int Ahead = 8;
    private readonly PairTally[]?[]? pairs;
    private readonly TallyTable[] tables = [];

    internal PartnerTallies(int units, FeatureScanOptions options)
    {
        if ((long)units * (units - 1) / 2 <= options.MaxPairsOfUnits) pairs = new PairTally[]?[units];
        else tables = [.. Enumerable.Range(0, units).Select(_ => new TallyTable(options.Partners))];
    }

    /// <summary>Takes in a unit's firings first to before last, by their number in the buffer.</summary>
    internal void Add(ScanBuffer buffer, int unit, int first, int last)
    {
        ReadOnlySpan<int> rows = buffer.RowsOf(unit)[first..last];
        ReadOnlySpan<float> values = buffer.ValuesOf(unit)[first..last];
        if (rows.IsEmpty) return;
        if (pairs is null) AddToTable(buffer, unit, rows, values);
        else AddLater(buffer, unit, rows, buffer.EntriesOf(unit)[first..last], values, pairs[unit] ??= new PairTally[pairs.Length - 1 - unit]);
    }

    /// <summary>
    /// Tells of all partners of the units first to before last, some units at once: what units of lower index hold of them lies
    /// side by side, and reading it for one unit after the other would miss the processor's cache each time.
    /// </summary>
    /// <param name="first">First unit.</param>
    /// <param name="last">The unit after the last.</param>
    /// <param name="tell">Told of a unit, its partner, how often both fire, and the sum of the products of their activations there.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Visit(int first, int last, Action<int, int, long, double> tell)
    {
        for (int unit = first; unit < last && pairs is null; unit++)
        {
            foreach (Tally tally in tables[unit].Entries()) tell(unit, tally.Id, tally.Count, tally.Sum);
        }
        for (int lower = 0; lower < Math.Min(last, pairs?.Length ?? 0); lower++)
        {
            if (pairs![lower] is not { } of) continue;
            int from = lower < first ? first : lower + 1, to = lower < first ? last : pairs.Length;
            for (int upper = from; upper < to; upper++)
            {
                PairTally pair = of[upper - lower - 1];
                if (pair.Count == 0) continue;
                if (lower >= first) tell(lower, upper, pair.Count, pair.Sum);
                if (upper < last) tell(upper, lower, pair.Count, pair.Sum);
            }
        }
    }

    internal void Save(BinaryWriter state)
    {
        foreach (TallyTable table in tables) table.Save(state);
        foreach (PairTally[]? of in pairs ?? []) state.WriteAll<PairTally>(of ?? []);
    }

    internal void Load(BinaryReader state)
    {
        foreach (TallyTable table in tables) table.Load(state);
        for (int unit = 0; unit < pairs?.Length; unit++) pairs[unit] = state.ReadAll<PairTally>() is { Length: > 0 } of ? of : null;
    }

    // The firings of a row ascend by unit, so that what is behind the unit's own is of later units. A unit's rows lie far apart:
    // the processor is told of them before they are needed.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void AddLater(ScanBuffer buffer, int unit, ReadOnlySpan<int> rows, ReadOnlySpan<int> places, ReadOnlySpan<float> values, Span<PairTally> later)
    {
        fixed (ScanBuffer.Entry* entries = buffer.Entries)
        {
            for (int i = 0; i < rows.Length; i++)
            {
                if (Sse.IsSupported && i + Ahead < rows.Length) Sse.Prefetch0(entries + places[i + Ahead]);
                double value = values[i];
                int end = buffer.EndOf(rows[i]);
                for (int at = places[i] + 1; at < end; at++)
                {
                    ref PairTally pair = ref later[entries[at].Unit - unit - 1];
                    pair.Sum += value * entries[at].Value;
                    pair.Count++;
                }
            }
        }
    }

    private void AddToTable(ScanBuffer buffer, int unit, ReadOnlySpan<int> rows, ReadOnlySpan<float> values)
    {
        TallyTable table = tables[unit];
        for (int i = 0; i < rows.Length; i++)
        {
            foreach (ref readonly ScanBuffer.Entry entry in buffer.EntriesAt(rows[i]))
            {
                if (entry.Unit != unit) table.Add(entry.Unit, (double)values[i] * entry.Value);
            }
        }
    }
}
