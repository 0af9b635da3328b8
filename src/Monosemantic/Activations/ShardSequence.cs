using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// The shards of a store that is being written, one after the other. While one is filled, a task makes the one before it whole:
/// flushes it to the disk, hashes it, writes its origins and its record. Never more than one task, so memory is bounded.
/// </summary>
internal sealed class ShardSequence : IDisposable
{
    private readonly StoreFolder folder;
    private readonly StorePlan plan;
    private readonly List<StoreShard> finished = [];
    private readonly MergedStatistics all = new(), training = new();
    private readonly long[] rows = new long[2], outliers = new long[2];
    private readonly List<int> blocks = [];
    // Origins of the shard that is filled and of the one before it, and their file: the same memory for all shards.
    private readonly MemoryStream encoded = new();
    private OriginBuffer origins = new(), before = new();
    private ShardFile? open;
    private Task<ShardRecord>? closing;
    private bool heldOut;

    public ShardSequence(StoreFolder folder, StorePlan plan, IEnumerable<ShardRecord> finished)
    {
        this.folder = folder;
        this.plan = plan;
        foreach (ShardRecord record in finished)
        {
            int split = record.Shard.HeldOut ? 1 : 0;
            rows[split] += record.Shard.Rows;
            outliers[split] = record.OutliersBefore;
            Keep(record);
        }
    }

    /// <summary>The statistics over all rows of whole shards; null where there is none.</summary>
    public StoreStatistics? Statistics => all.Result();

    /// <summary>The same over training rows.</summary>
    public StoreStatistics? TrainingStatistics => training.Result();

    /// <summary>Whether the current shard has a row.</summary>
    public bool IsOpen => open is { Rows: > 0 };

    /// <summary>Whether the current shard takes no more row.</summary>
    public bool IsFull => open?.Rows == plan.RowsPerShard;

    /// <summary>Rows of the current shard that belong to no block yet.</summary>
    public int OpenBlock { get; private set; }

    /// <summary>Rows of a split so far.</summary>
    public long RowsOf(bool heldOut) => rows[heldOut ? 1 : 0];

    /// <summary>Outliers left out of a split so far.</summary>
    public long OutliersOf(bool heldOut) => outliers[heldOut ? 1 : 0];

    /// <summary>How many rows of a split the shard takes that the next of them goes to.</summary>
    public int Room(bool heldOut) => plan.RowsPerShard - (IsOpen && this.heldOut == heldOut ? open!.Rows : 0);

    /// <summary>Adds rows to the current shard, which is of their split and takes them.</summary>
    public void Add(bool heldOut, ReadOnlySpan<byte> bytes, ReadOnlySpan<float> scales, ReadOnlySpan<int> ofDocuments, ReadOnlySpan<int> atPositions, ReadOnlySpan<int> ofTokens)
    {
        open ??= new ShardFile(folder[StoreFolder.ShardName(finished.Count + (closing is null ? 0 : 1))], plan.Dtype, plan.DModel);
        this.heldOut = heldOut;
        open.Add(bytes, scales);
        origins.Add(ofDocuments, atPositions, ofTokens);
        OpenBlock += ofDocuments.Length;
        rows[heldOut ? 1 : 0] += ofDocuments.Length;
    }

    /// <summary>Counts a row that is left out.</summary>
    public void LeaveOut(bool heldOut) => outliers[heldOut ? 1 : 0]++;

    /// <summary>Ends the current block.</summary>
    public void EndBlock()
    {
        if (OpenBlock > 0) blocks.Add(OpenBlock);
        OpenBlock = 0;
    }

    /// <summary>Ends the current shard and begins to make it whole.</summary>
    /// <param name="statistics">The sums over its rows.</param>
    public void Finish(ShardStatistics statistics)
    {
        EndBlock();
        ShardFile file = open!;
        int[] ofBlocks = [.. blocks];
        (bool isHeldOut, long outliersBefore) = (heldOut, OutliersOf(heldOut));
        // The shard belongs to its task from here on, whatever the wait for the one before it brings.
        open = null;
        blocks.Clear();
        try
        {
            Wait();
        }
        catch
        {
            file.Dispose();
            throw;
        }
        (origins, before) = (before, origins);
        origins.Clear();
        (int shard, RowOrigins rows) = (finished.Count, before.Origins);
        closing = Task.Run(() => Close(shard, file, rows, ofBlocks, statistics, isHeldOut, outliersBefore));
    }

    /// <summary>Waits until every shard is whole.</summary>
    public IReadOnlyList<StoreShard> WaitForAll()
    {
        Wait();
        return finished;
    }

    /// <summary>Waits for the shard that is being made whole, and throws the current one away.</summary>
    public void Dispose()
    {
        open?.Dispose();
        open = null;
        if (closing is null) return;
        ((IAsyncResult)closing).AsyncWaitHandle.WaitOne();
        _ = closing.Exception;
        closing = null;
    }

    private void Wait()
    {
        if (closing is not { } task) return;
        Keep(task.GetAwaiter().GetResult());
        closing = null;
    }

    private void Keep(ShardRecord record)
    {
        finished.Add(record.Shard);
        all.Add(record.Statistics);
        if (!record.Shard.HeldOut) training.Add(record.Statistics);
    }

    private ShardRecord Close(int shard, ShardFile file, RowOrigins origins, int[] ofBlocks, ShardStatistics statistics, bool isHeldOut, long outliersBefore)
    {
        using (file) file.Finish();
        string rowsPath = folder[StoreFolder.RowsName(shard)];
        OriginsFile.Write(rowsPath, origins, ofBlocks, encoded);
        StoreFile values = StoreFile.Of(folder[StoreFolder.ShardName(shard)]), where = StoreFile.Of(rowsPath);
        var record = new ShardRecord
        {
            OutliersBefore = outliersBefore,
            Statistics = statistics,
            Shard = new StoreShard
            {
                File = values.Name,
                Rows = file.Rows,
                HeldOut = isHeldOut,
                Blocks = ImmutableCollectionsMarshal.AsImmutableArray(ofBlocks),
                Bytes = values.Bytes,
                Sha256 = values.Sha256,
                RowsFile = where.Name,
                RowsBytes = where.Bytes,
                RowsSha256 = where.Sha256,
            },
        };
        JsonFile.Write(folder[StoreFolder.StatisticsName(shard)], record);
        return record;
    }
}
