using System.Runtime.InteropServices;

namespace Monosemantic.Activations;

/// <summary>The rows of one or both splits, computed when they are asked for.</summary>
internal sealed class ComputedBlocks : IRowBlocks
{
    private readonly LiveActivations live;
    private readonly LiveSplit[] splits;
    private readonly long[] splitStarts;

    public ComputedBlocks(LiveActivations live, LiveSplit[] splits)
    {
        this.live = live;
        this.splits = splits;
        splitStarts = new long[splits.Length];
        for (int i = 1; i < splits.Length; i++) splitStarts[i] = splitStarts[i - 1] + splits[i - 1].Rows;
        Starts = [.. splits.SelectMany((split, i) => split.BlockStarts.Select(start => start + splitStarts[i])).Distinct()];
    }

    public long[] Starts { get; }

    public int Parts => splits.Sum(split => split.Groups);

    public IRowWindow OpenPart(int part, CancellationToken cancellation)
    {
        int split = 0;
        for (; part >= splits[split].Groups; split++) part -= splits[split].Groups;
        long first = splits[split].FirstRow(part), end = splits[split].FirstRow(part + 1);
        var range = new RowRange(splitStarts[split] + first, (int)(end - first));
        return Open([range], [.. Enumerable.Range(0, range.Count)], cancellation);
    }

    public IRowWindow Open(RowRange[] ranges, int[] order, CancellationToken cancellation)
    {
        var window = new ComputedWindow(live.Plan.Dtype, live.DModel, order);
        try
        {
            foreach (IGrouping<(int Split, int Group), Target> group in Targets(ranges).GroupBy(target => (target.Split, target.Group)).OrderBy(group => group.Key))
            {
                cancellation.ThrowIfCancellationRequested();
                Compute(splits[group.Key.Split], group.Key.Group, group, window);
            }
            return window;
        }
        catch
        {
            window.Dispose();
            throw;
        }
    }

    private void Compute(LiveSplit split, int group, IEnumerable<Target> targets, ComputedWindow window)
    {
        KeptRows rows = split.At(group);
        int[] places = split.PlacesOf(group, rows);
        live.Compute(rows, (values, _) =>
        {
            foreach (Target target in targets)
            {
                for (int i = 0; i < target.Count; i++) window.Set(target.Slot + i, rows, places[target.First + i], values);
            }
        });
    }

    private IEnumerable<Target> Targets(RowRange[] ranges)
    {
        int slot = 0;
        foreach (RowRange range in ranges)
        {
            if (range.Count == 0) continue;
            int split = splits.Length - 1;
            while (range.First < splitStarts[split]) split--;
            long row = range.First - splitStarts[split];
            int group = splits[split].GroupOf(row);
            yield return new Target(split, group, (int)(row - splits[split].FirstRow(group)), range.Count, slot);
            slot += range.Count;
        }
    }

    /// <summary>Some rows of a group, and where in a window they go.</summary>
    private readonly record struct Target(int Split, int Group, int First, int Count, int Slot);
}

/// <summary>Rows in memory of their own, as a store would keep them.</summary>
internal sealed unsafe class ComputedWindow : IRowWindow
{
    private readonly StoreDtype dtype;
    private readonly int dModel, rowBytes;
    private readonly int[] order;
    private readonly float[] scales;
    private readonly RowOrigins origins;
    private byte* bytes;

    public ComputedWindow(StoreDtype dtype, int dModel, int[] order)
    {
        this.dtype = dtype;
        this.dModel = dModel;
        this.order = order;
        rowBytes = dtype.RowBytes(dModel);
        scales = new float[order.Length];
        origins = new RowOrigins(order.Length);
        bytes = (byte*)NativeMemory.Alloc((nuint)order.Length, (nuint)rowBytes);
    }

    ~ComputedWindow() => NativeMemory.Free(bytes);

    public int Rows => order.Length;

    /// <summary>Puts in one row.</summary>
    /// <param name="slot">Where, before the order.</param>
    /// <param name="rows">The group that the row is of.</param>
    /// <param name="place">Its place in the group.</param>
    /// <param name="values">Activations of the group [n, d_model].</param>
    public void Set(int slot, KeptRows rows, int place, float[] values)
    {
        scales[slot] = RowCodec.Encode(dtype, values.AsSpan(place * dModel, dModel), new Span<byte>(bytes + ((long)slot * rowBytes), rowBytes));
        (origins.Documents[slot], origins.Positions[slot], origins.Tokens[slot]) = (rows.Documents[place], rows.Positions[place], rows.Tokens[place]);
    }

    public void Begin()
    {
    }

    public void Gather(int first, Span<float> values)
    {
        for (int i = 0; i < values.Length / dModel; i++)
        {
            int slot = order[first + i];
            RowCodec.Decode(dtype, new ReadOnlySpan<byte>(bytes + ((long)slot * rowBytes), rowBytes), scales[slot], values.Slice(i * dModel, dModel));
        }
    }

    public void ReadOrigins(int first, int count, RowOrigins origins, int at)
    {
        for (int i = 0; i < count; i++) origins.Set(at + i, this.origins, order[first + i]);
    }

    public RowsInPlace? Borrow(int first, int count) => null;

    public void Dispose()
    {
        NativeMemory.Free(bytes);
        bytes = null;
        GC.SuppressFinalize(this);
    }
}
