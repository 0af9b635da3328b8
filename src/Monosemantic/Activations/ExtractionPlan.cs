using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What an extraction is going to take: known where it can be counted, measured by a short calibration where not.</summary>
public sealed record ExtractionPlan
{
    // Measured: what hashing, compressing and a shard's task take beside their data, once and for each store.
    private const long SmallParts = 28 << 20, SmallPartsPerStore = 6 << 20;

    /// <summary>Rows at each hook point; at most, where outliers are left out.</summary>
    public required long Rows { get; init; }

    /// <summary>How many of them are of training documents.</summary>
    public required long TrainingRows { get; init; }

    /// <summary>How many of them are of held-out documents.</summary>
    public required long HeldOutRows { get; init; }

    /// <summary>Tokens that the model reads for that, inserted ones included.</summary>
    public required long Tokens { get; init; }

    /// <summary>Bytes that all stores take on the disk.</summary>
    public required long BytesOnDisk { get; init; }

    /// <summary>Bytes that are free there now; null where that cannot be told.</summary>
    public required long? BytesFree { get; init; }

    /// <summary>The most memory that the process is going to take, in bytes.</summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>Rows in a second.</summary>
    public required double RowsPerSecond { get; init; }

    /// <summary>Seconds that extracting takes, loading not counted.</summary>
    public required double Seconds { get; init; }

    /// <summary>Each hook point's store.</summary>
    public required ImmutableArray<PlannedStore> Stores { get; init; }

    internal static ExtractionPlan Of(Extraction extraction, TokenizedCorpus corpus, Calibration calibration, string folder)
    {
        ContextSchedule schedule = extraction.Schedule;
        ImmutableArray<PlannedStore> stores = StoresOf(extraction, corpus, folder);
        SplitSchedule training = schedule[StoreSplit.Training], heldOut = schedule[StoreSplit.HeldOut];
        return new ExtractionPlan
        {
            Rows = schedule.Rows,
            TrainingRows = training.RowLimit,
            HeldOutRows = heldOut.RowLimit,
            Tokens = TokensOf(training) + TokensOf(heldOut),
            BytesOnDisk = stores.Sum(store => store.Bytes),
            BytesFree = DiskSpace.Free(folder),
            PeakMemoryBytes = calibration.PeakBytes + SmallParts + stores.Sum(store => WriterBytes(extraction.Config, store, schedule.Rows)),
            RowsPerSecond = calibration.RowsPerSecond,
            Seconds = schedule.Rows / calibration.RowsPerSecond,
            Stores = stores,
        };
    }

    /// <summary>Refuses a disk that cannot hold what is not there yet.</summary>
    internal static void RequireSpace(Extraction extraction, TokenizedCorpus corpus, string folder)
    {
        ImmutableArray<PlannedStore> stores = StoresOf(extraction, corpus, folder);
        DiskSpace.Require(folder, stores.Sum(store => store.Bytes - DiskSpace.Used(store.Folder)), stores.Length == 1 ? "the store" : $"{stores.Length} stores");
    }

    private static ImmutableArray<PlannedStore> StoresOf(Extraction extraction, TokenizedCorpus corpus, string folder)
    {
        ContextSchedule schedule = extraction.Schedule;
        ImmutableArray<StorePlan> plans = extraction.StorePlans;
        string[] folders = HookStores.FoldersOf(folder, plans);
        double originBytes = OriginBytesPerRow(schedule);
        long texts = corpus.TokenTexts.IsEmpty ? 0 : TokenTextsFile.Size(corpus.TokenTexts);
        return [.. plans.Select((plan, i) => new PlannedStore(plan.HookPoint, folders[i], plan.DModel, plan.Dtype, texts + (long)(originBytes * schedule.Rows) + StoreBytes(plan, schedule)))];
    }

    // Shards, what is known of each, and what is known of all.
    private static long StoreBytes(StorePlan plan, ContextSchedule schedule)
    {
        const int perNumber = 26, perShard = 900, perBlock = 16;
        long bytes = JsonFile.ToText(plan).Length * 2L;
        foreach (StoreSplit split in new[] { StoreSplit.Training, StoreSplit.HeldOut })
        {
            long rows = schedule[split].RowLimit, shards = (rows + plan.RowsPerShard - 1) / plan.RowsPerShard;
            long blocks = shards + (schedule[split].Groups * rows / Math.Max(1, schedule[split].Candidates));
            bytes += ShardFile.Size(plan.Dtype, plan.DModel, rows) + (shards * (ShardFile.HeaderBytes + (perNumber * 2L * plan.DModel) + (2 * perShard))) + (2 * perBlock * blocks);
        }
        return bytes + (perNumber * 4L * plan.DModel);
    }

    // As the first rows are kept: some two bytes, but it depends on the text.
    private static double OriginBytesPerRow(ContextSchedule schedule)
    {
        const int enough = 1 << 16;
        List<int> documents = [], positions = [], tokens = [], blocks = [];
        foreach (KeptRows rows in schedule[StoreSplit.Training].From(0).Concat(schedule[StoreSplit.HeldOut].From(0)).Where(rows => rows.Count > 0))
        {
            documents.AddRange(rows.Documents);
            positions.AddRange(rows.Positions);
            tokens.AddRange(rows.Tokens);
            blocks.Add(rows.Count);
            if (documents.Count >= enough) break;
        }
        return OriginsFile.Size(RowOrigins.Of(documents, positions, tokens), blocks) / (double)documents.Count;
    }

    // Buffers of the file, origins of two shards with what compressing them takes, and what is remembered of each shard.
    private static long WriterBytes(ExtractionConfig config, PlannedStore store, long rows)
    {
        long perShard = Math.Min(config.RowsPerShard, rows), shards = rows / config.RowsPerShard;
        return SmallPartsPerStore + (256L * store.Dtype.RowBytes(store.DModel)) + (60 * perShard) + (2000 * shards);
    }

    private static long TokensOf(SplitSchedule split) => (long)(split.Tokens * (split.RowLimit / (double)Math.Max(1, split.Candidates)));
}

/// <summary>What one store of an extraction is going to be.</summary>
/// <param name="HookPoint">Its hook point.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="DModel">Width of its rows.</param>
/// <param name="Dtype">How its numbers are kept.</param>
/// <param name="Bytes">Bytes that it takes on the disk.</param>
public sealed record PlannedStore(string HookPoint, string Folder, int DModel, StoreDtype Dtype, long Bytes);
