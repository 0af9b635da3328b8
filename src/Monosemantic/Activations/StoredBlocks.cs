namespace Monosemantic.Activations;

/// <summary>The rows of a split of a store on disk.</summary>
internal sealed class StoredBlocks : IRowBlocks
{
    private readonly ActivationStore store;
    private readonly int firstShard;
    private readonly long[] shardStarts;

    public StoredBlocks(ActivationStore store, StoreSplit split)
    {
        this.store = store;
        StoreShard[] shards = [.. store.Manifest.Shards.Where(shard => split == StoreSplit.All || shard.HeldOut == (split == StoreSplit.HeldOut))];
        firstShard = split == StoreSplit.HeldOut ? store.Manifest.Shards.Length - shards.Length : 0;
        shardStarts = new long[shards.Length + 1];
        var starts = new List<long> { 0 };
        for (int i = 0; i < shards.Length; i++)
        {
            shardStarts[i + 1] = shardStarts[i] + shards[i].Rows;
            foreach (int rows in shards[i].Blocks) starts.Add(starts[^1] + rows);
        }
        Starts = [.. starts];
    }

    public long[] Starts { get; }

    public int Parts => shardStarts.Length - 1;

    public IRowWindow OpenPart(int part, CancellationToken cancellation) => new ShardWindow(store, firstShard + part);

    public IRowWindow Open(RowRange[] ranges, int[] order, CancellationToken cancellation) =>
        new StoredWindow(store, [.. ranges.Select(Locate)], order);

    private ShardRange Locate(RowRange range)
    {
        int found = Array.BinarySearch(shardStarts, range.First), shard = found >= 0 ? found : ~found - 1;
        return new(firstShard + shard, (int)(range.First - shardStarts[shard]), range.Count);
    }
}

/// <summary>Consecutive rows of a shard.</summary>
/// <param name="Shard">Which shard.</param>
/// <param name="First">The first row.</param>
/// <param name="Count">Number of rows.</param>
internal readonly record struct ShardRange(int Shard, int First, int Count);

/// <summary>A whole shard in its own order.</summary>
internal sealed unsafe class ShardWindow : IRowWindow
{
    private readonly ActivationStore store;
    private readonly int shard;
    private readonly MappedShard mapped;
    private readonly Lazy<RowOrigins> origins;

    public ShardWindow(ActivationStore store, int shard)
    {
        this.store = store;
        this.shard = shard;
        mapped = store.Maps.Take(shard);
        mapped.Fetch(0, mapped.Rows);
        origins = new Lazy<RowOrigins>(() => store.ReadOrigins(new ShardRange(shard, 0, Rows)));
    }

    public int Rows => store.Manifest.Shards[shard].Rows;

    public void Begin()
    {
    }

    public void Gather(int first, Span<float> values)
    {
        mapped.Populate(first, values.Length / store.DModel);
        mapped.CopyRows(first, values);
    }

    public void ReadOrigins(int first, int count, RowOrigins origins, int at) => origins.Set(at, this.origins.Value, first, count);

    public RowsInPlace? Borrow(int first, int count)
    {
        if (!mapped.IsInPlace) return null;
        mapped.Populate(first, count);
        store.Maps.Take(shard);
        return new RowsInPlace((float*)mapped.Address(first), count * store.DModel, () => store.Maps.Return(shard));
    }

    public void Dispose()
    {
        mapped.Release(0, mapped.Rows);
        store.Maps.Return(shard);
    }
}

/// <summary>Rows from all over a store in random order, straight from the mapped files: the window costs 12 bytes a row of memory, 20 while it is made.</summary>
internal sealed unsafe class StoredWindow : IRowWindow
{
    private readonly ActivationStore store;
    private readonly ShardRange[] ranges;
    private readonly MappedShard[] mapped;
    private readonly int[] order, starts;
    // Of each row in the window's order, so that copying looks up one number after the other.
    private readonly nint[] addresses;
    private readonly Lazy<RowOrigins[]> origins;

    public StoredWindow(ActivationStore store, ShardRange[] ranges, int[] order)
    {
        this.store = store;
        this.ranges = ranges;
        this.order = order;
        starts = new int[ranges.Length];
        mapped = new MappedShard[ranges.Length];
        addresses = new nint[order.Length];
        origins = new Lazy<RowOrigins[]>(() => [.. ranges.Select(store.ReadOrigins)]);
        try
        {
            var inRanges = new nint[order.Length];
            for (int i = 0, row = 0; i < ranges.Length; row += ranges[i++].Count) Map(i, row, inRanges);
            for (int i = 0; i < order.Length; i++) addresses[i] = inRanges[order[i]];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Rows => order.Length;

    // Not before, since every window in memory counts: this one was prepared while another was read.
    public void Begin()
    {
        int rowBytes = store.Plan.Dtype.RowBytes(store.DModel);
        ParallelRows.For(ranges.Length, rowBytes * ranges.Max(range => range.Count), (from, end) =>
        {
            for (int i = from; i < end; i++) mapped[i].Populate(ranges[i].First, ranges[i].Count);
        });
    }

    public void Gather(int first, Span<float> values)
    {
        StoreDtype dtype = store.Plan.Dtype;
        int dModel = store.DModel, size = dtype.RowBytes(dModel), last = first + (values.Length / dModel) - 1;
        fixed (float* pinned = values)
        {
            float* target = pinned;
            for (int row = first; row <= last; row++, target += dModel)
            {
                byte* from = (byte*)addresses[row], ahead = (byte*)addresses[Math.Min(row + RowPrefetch.Distance, last)];
                if (dtype == StoreDtype.F32)
                {
                    RowPrefetch.Copy(from, (byte*)target, size, ahead);
                    continue;
                }
                RowPrefetch.Fetch(ahead, size);
                float scale = dtype == StoreDtype.Int8 ? ScaleOf(order[row]) : 1;
                RowCodec.Decode(dtype, new ReadOnlySpan<byte>(from, size), scale, new Span<float>(target, dModel));
            }
        }
    }

    public void ReadOrigins(int first, int count, RowOrigins origins, int at)
    {
        RowOrigins[] all = this.origins.Value;
        for (int i = 0; i < count; i++)
        {
            int range = RangeOf(order[first + i]);
            origins.Set(at + i, all[range], order[first + i] - starts[range]);
        }
    }

    public RowsInPlace? Borrow(int first, int count) => null;

    public void Dispose()
    {
        for (int i = 0; i < ranges.Length; i++)
        {
            if (mapped[i] is null) continue;
            mapped[i].Release(ranges[i].First, ranges[i].Count);
            store.Maps.Return(ranges[i].Shard);
        }
    }

    private void Map(int range, int firstRow, nint[] inRanges)
    {
        ShardRange at = ranges[range];
        starts[range] = firstRow;
        MappedShard shard = mapped[range] = store.Maps.Take(at.Shard);
        shard.Fetch(at.First, at.Count);
        nint first = (nint)shard.Address(at.First), size = store.Plan.Dtype.RowBytes(store.DModel);
        for (int i = 0; i < at.Count; i++) inRanges[firstRow + i] = first + (i * size);
    }

    private int RangeOf(int row)
    {
        int found = Array.BinarySearch(starts, row);
        return found >= 0 ? found : ~found - 1;
    }

    private float ScaleOf(int row)
    {
        int range = RangeOf(row);
        return mapped[range].Scale(ranges[range].First + row - starts[range]);
    }
}
