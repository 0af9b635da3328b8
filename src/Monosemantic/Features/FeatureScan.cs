using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;

namespace Monosemantic.Features;

/// <summary>
/// One streaming pass over activations in file order that gathers, for every feature (or neuron) at once, what fires it:
/// counts, quantiles, tokens, histogram, token entropy, the strongest contexts, random ones, and the units that fire with it.
/// </summary>
/// <remarks>
/// <para>
/// Memory does not grow with the number of rows: per unit a histogram, the table of its tokens (bounded by
/// <see cref="FeatureScanOptions.MaxPairs"/>), <see cref="FeatureScanOptions.Contexts"/> contexts of about 300 bytes; and one
/// chunk of rows with the sparse codes of the rows around it, so that a context can show the unit's activation at every token.
/// </para>
/// <para>
/// The result depends on the rows and their order alone, not on how they were cut into batches, nor on the number of
/// threads: units are independent of each other, and each one's sums are taken in file order.
/// </para>
/// <para>
/// A context is the stretch of text around a <em>peak</em>: a firing that no other firing of the unit exceeds among those
/// whose stretch would overlap (the earliest of equals). So the contexts of a unit never overlap.
/// Inserted tokens (position -1) are left out of everything.
/// </para>
/// </remarks>
public sealed class FeatureScan
{
    private const int MostUnitsPerTask = 64, LeastTasks = 32, LeastRows = 64;
    private readonly FeatureScanOptions options;
    private readonly UnitKind kind;
    private readonly ScanBuffer buffer;
    private readonly UnitTally[] tallies;
    private readonly PartnerTallies together;
    private readonly LogBins bins;
    private readonly List<long> active = [];
    private long[] occurrences = new long[1024];
    private int done;

    /// <summary>Starts a scan.</summary>
    /// <param name="kind">What the units are.</param>
    /// <param name="units">How many there are: d_sae, or the width of the hook point.</param>
    /// <param name="options">How much to keep; null for the defaults.</param>
    public FeatureScan(UnitKind kind, int units, FeatureScanOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(units);
        this.options = (options ?? new()).Checked();
        this.kind = kind;
        buffer = new(kind, units);
        bins = new(this.options.HistogramLow, this.options.HistogramHigh, this.options.BinsPerDecade);
        together = new(units, this.options);
        int tokenLimit = Math.Max(256, this.options.MaxPairs / units);
        tallies = [.. Enumerable.Range(0, units).Select(unit => new UnitTally(unit, this.options, bins, tokenLimit))];
    }

    /// <summary>Rows scanned so far, inserted tokens left out.</summary>
    public long Rows { get; private set; }

    /// <summary>Units whose rare tokens were forgotten to stay within <see cref="FeatureScanOptions.MaxPairs"/>.</summary>
    public int PrunedUnits => tallies.Count(tally => tally.Pruned);

    /// <summary>Rows by the number of units that fire there: entry i counts the rows with i of them.</summary>
    public ImmutableArray<long> ActiveUnits => [.. active];

    /// <summary>Token ids seen so far, ascending, with the number of rows that hold each.</summary>
    public IEnumerable<KeyValuePair<int, long>> TokenOccurrences =>
        occurrences.Select((count, token) => KeyValuePair.Create(token, count)).Where(pair => pair.Value > 0);

    /// <summary>Adds rows. A document's rows must come one after the other, by ascending position.</summary>
    /// <param name="batch">Where the rows come from: documents, positions and tokens [n]; activations are not read.</param>
    /// <param name="code">The units' activations [n, units]; those above 0 fire.</param>
    /// <exception cref="ArgumentException">The two differ in rows, or the code has another number of units.</exception>
    /// <exception cref="Runtime.UserErrorException">An activation is not finite.</exception>
    public void Add(ActivationBatch batch, SparseCode code)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(code);
        if (batch.Rows != code.Rows || code.DSae != tallies.Length) throw new ArgumentException($"a code of {code.Rows} rows and {code.DSae} units for {batch.Rows} rows and {tallies.Length} units", nameof(code));
        for (int row = 0; row < batch.Rows; row++)
        {
            if (batch.Positions[row] < 0) continue;
            buffer.Append(batch, code, row);
            CountToken(batch.Tokens[row]);
            CountActive(buffer.EntriesAt(buffer.Rows - 1).Length);
            Rows++;
            if (IsChunk(buffer.Rows - options.Reach - done)) Work(buffer.Rows - options.Reach);
        }
    }

    /// <summary>Ends the scan.</summary>
    /// <param name="logits">Logit effects of each unit, from <see cref="LogitEffects"/>; null where its direction has no such reading.</param>
    /// <returns>The evidence of every unit, by index.</returns>
    public ImmutableArray<UnitEvidence> Finish(IReadOnlyList<UnitLogits>? logits = null)
    {
        if (logits is not null && logits.Count != tallies.Length) throw new ArgumentException($"logit effects of {logits.Count} units for {tallies.Length}", nameof(logits));
        Work(buffer.Rows);
        Range shown = OccupiedBins();
        var evidence = new UnitEvidence[tallies.Length];
        (double Mean, double Deviation)[] moments = Moments();
        InTasks((first, last) =>
        {
            ImmutableArray<NeighbourEvidence>[] partners = Partners(first, last, moments);
            for (int unit = first; unit < last; unit++)
            {
                evidence[unit] = tallies[unit].Evidence(kind, Rows, occurrences, logits?[unit] ?? UnitLogits.None, shown) with { Neighbours = partners[unit - first] };
            }
        });
        return ImmutableArray.Create(evidence);
    }

    /// <summary>Mean and standard deviation of each unit's activation over all rows, 0 where it does not fire.</summary>
    internal (double Mean, double Deviation)[] Moments() => [.. tallies.Select(MomentsOf)];

    internal void Save(BinaryWriter state)
    {
        state.Write(Rows);
        state.Write(done);
        state.WriteAll<long>(occurrences);
        state.WriteAll<long>(active.ToArray());
        buffer.Save(state);
        foreach (UnitTally tally in tallies) tally.Save(state);
        together.Save(state);
    }

    internal void Load(BinaryReader state)
    {
        Rows = state.ReadInt64();
        done = state.ReadInt32();
        occurrences = state.ReadAll<long>();
        active.AddRange(state.ReadAll<long>());
        buffer.Load(state);
        foreach (UnitTally tally in tallies) tally.Load(state);
        together.Load(state);
    }

    private (double Mean, double Deviation) MomentsOf(UnitTally tally)
    {
        double mean = Rows == 0 ? 0 : tally.Sum / Rows;
        return (mean, Rows == 0 ? 0 : Math.Sqrt(Math.Max(0, (tally.Squares / Rows) - (mean * mean))));
    }

    // Other units that fire at the same rows as each of some units: those of highest correlation, then those that fire most often with it.
    private ImmutableArray<NeighbourEvidence>[] Partners(int first, int last, (double Mean, double Deviation)[] moments)
    {
        var closest = new ClosestPartners(first, last - first, options.Neighbours, Rows, moments);
        together.Visit(first, last, closest.Offer);
        return [.. Enumerable.Range(0, last - first).Select(i => Neighbours(closest.Correlated[i], closest.Often[i], tallies[first + i].Firings))];
    }

    private ImmutableArray<NeighbourEvidence> Neighbours(LargestFew correlated, LargestFew often, long firings)
    {
        var neighbours = ImmutableArray.CreateBuilder<NeighbourEvidence>(2 * options.Neighbours);
        foreach ((int other, double value, long count) in correlated.Kept) neighbours.Add(new(Relation.Correlation, kind, other, value, count));
        foreach ((int other, double value, long count) in often.Kept) neighbours.Add(new(Relation.CoFiring, kind, other, value / firings, count));
        return neighbours.ToImmutable();
    }

    private void InTasks(Action<int, int> work)
    {
        int each = Math.Clamp(tallies.Length / LeastTasks, 1, MostUnitsPerTask);
        Parallel.For(0, (tallies.Length + each - 1) / each, task => work(task * each, Math.Min(tallies.Length, (task + 1) * each)));
    }

    // Whether rows are enough to be worked on: a few always are needed, or it would take longer to begin than to work.
    private bool IsChunk(int rows) => rows >= options.ChunkRows || (rows >= LeastRows && buffer.Firings >= options.ChunkFirings);

    private void CountActive(int units)
    {
        while (active.Count <= units) active.Add(0);
        active[units]++;
    }

    // Takes in the rows up to `to`, whose surroundings are complete, and forgets what no later context can reach.
    private void Work(int to)
    {
        buffer.Transpose();
        int from = done;
        InTasks((first, last) =>
        {
            var order = new ChunkOrder();
            for (int unit = first; unit < last; unit++) WorkOn(unit, from, to, order);
        });
        int dropped = Math.Max(0, to - options.Reach);
        buffer.Drop(dropped);
        done = to - dropped;
    }

    private void WorkOn(int unit, int from, int to, ChunkOrder order)
    {
        ReadOnlySpan<int> rows = buffer.RowsOf(unit);
        int first = FirstAt(rows, from), last = FirstAt(rows, to);
        tallies[unit].Add(buffer, first, last, order);
        together.Add(buffer, unit, first, last);
    }

    private static int FirstAt(ReadOnlySpan<int> rows, int row) => rows.BinarySearch(row) is var place && place < 0 ? ~place : place;

    private void CountToken(int token)
    {
        if (token >= occurrences.Length) Array.Resize(ref occurrences, Math.Max(token + 1, occurrences.Length * 2));
        occurrences[token]++;
    }

    // The bins that any unit uses: one range for all, so that their histograms can be compared by eye.
    private Range OccupiedBins()
    {
        int first = bins.Count, last = -1;
        foreach (UnitTally tally in tallies)
        {
            int low = tally.Histogram.IndexOfAnyExcept(0);
            if (low < 0) continue;
            first = Math.Min(first, low);
            last = Math.Max(last, tally.Histogram.LastIndexOfAnyExcept(0));
        }
        return last < 0 ? Range.All : first..(last + 1);
    }
}
