using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>Which rows of a store are meant; documents are held out whole.</summary>
public enum StoreSplit
{
    /// <summary>Every row.</summary>
    All,

    /// <summary>Rows of documents that are not held out.</summary>
    Training,

    /// <summary>Rows of documents that are held out from training.</summary>
    HeldOut,
}

/// <summary>
/// A finished activation store, read-only. Shards are memory-mapped when first read, so opening costs a look at the files' sizes.
/// </summary>
/// <remarks>
/// Several streams may be read at once, from any threads. Each prepares its next batch on a task while the last one is used.
/// Shuffled reading keeps 12 bytes a row of origins (once a store) and 4 bytes a row of order (for each stream) in memory.
/// </remarks>
public sealed class ActivationStore : IDisposable
{
    private readonly ImmutableArray<Lazy<MappedShard>> shards;
    private readonly int[] starts;
    private readonly Lazy<RowOrigins> allOrigins;
    private readonly ReaderWriterLockSlim gate = new();
    private bool disposed;

    private ActivationStore(string folder, StoreManifest manifest)
    {
        Folder = folder;
        Manifest = manifest;
        shards = [.. manifest.Shards.Select(shard => new Lazy<MappedShard>(() => new MappedShard(Path.Combine(folder, shard.File), manifest.Plan, shard.Rows)))];
        starts = new int[manifest.Rows <= Array.MaxLength ? manifest.Shards.Length : 0];
        for (int i = 1; i < starts.Length; i++) starts[i] = starts[i - 1] + manifest.Shards[i - 1].Rows;
        allOrigins = new Lazy<RowOrigins>(ReadAllOrigins);
    }

    /// <summary>The store's folder.</summary>
    public string Folder { get; }

    /// <summary>What the store holds.</summary>
    public StoreManifest Manifest { get; }

    /// <summary>Width of a row, d_model.</summary>
    public int DModel => Manifest.Plan.DModel;

    /// <summary>SHA-256 of the manifest, which holds the checksum of every shard: it stands for the whole store.</summary>
    public string Sha256 => Hashing.OfFile(Path.Combine(Folder, StoreFolder.ManifestName));

    /// <summary>Refuses a dictionary that is of another model, or of another place in it, than this store.</summary>
    /// <param name="hookPoint">The dictionary's hook point; empty where it does not say.</param>
    /// <param name="dModel">The width it reads.</param>
    /// <param name="modelSha256">Hash of the model it was trained on; null where it does not say.</param>
    /// <param name="dictionary">What to call it in the error.</param>
    /// <exception cref="UserErrorException">Model, width or hook point differ.</exception>
    public void RequireSite(string hookPoint, int dModel, string? modelSha256, string dictionary)
    {
        if (modelSha256 is not null && modelSha256 != Manifest.Plan.Model.Sha256)
        {
            throw new UserErrorException($"{dictionary} was trained on another model than {Folder} was extracted from ({Manifest.Plan.Model.Name})", "give activations of the dictionary's own model");
        }
        if (dModel == DModel && (hookPoint.Length == 0 || hookPoint == Manifest.Plan.HookPoint)) return;
        throw new UserErrorException(
            $"{dictionary} is of {(hookPoint.Length == 0 ? "an unnamed place" : hookPoint)}, {dModel} wide; {Folder} holds {Manifest.Plan.HookPoint}, {DModel} wide",
            "give the activations that the dictionary was trained on, or others of the same hook point");
    }

    /// <summary>Where each row of the store comes from.</summary>
    internal RowOrigins AllOrigins => allOrigins.Value;

    /// <summary>Opens a store and checks that every file is there in its right size.</summary>
    /// <param name="folder">The store's folder.</param>
    /// <exception cref="UserErrorException">It is missing, unfinished, from a newer version, or incomplete; the message names the shard.</exception>
    public static ActivationStore Open(string folder)
    {
        StoreManifest manifest = ReadManifest(folder);
        string[] problems = [.. manifest.Shards.SelectMany(shard => ShardRecord.ProblemsOf(shard, folder))];
        if (problems.Length == 0) return new ActivationStore(folder, manifest);
        string more = problems.Length > 3 ? $"; and {problems.Length - 3} more" : "";
        throw new UserErrorException($"the activation store {folder} is damaged: {string.Join("; ", problems.Take(3))}{more}", "copy the store again, or extract it again");
    }

    /// <summary>Compares every file with its checksum.</summary>
    /// <param name="folder">The store's folder.</param>
    /// <param name="progress">Told after every shard.</param>
    /// <param name="cancellation">Stops between two shards.</param>
    /// <returns>Every problem found, each naming its file; empty where the store is whole.</returns>
    /// <exception cref="UserErrorException">There is no manifest to compare with.</exception>
    public static IReadOnlyList<string> Verify(string folder, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        StoreManifest manifest = ReadManifest(folder);
        var problems = new List<string>();
        for (int i = 0; i < manifest.Shards.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            StoreShard shard = manifest.Shards[i];
            string[] visible = [.. ShardRecord.ProblemsOf(shard, folder)];
            problems.AddRange(visible);
            foreach ((string name, string sha256) in new[] { (shard.File, shard.Sha256), (shard.RowsFile, shard.RowsSha256) })
            {
                if (visible.Any(problem => problem.StartsWith(name + " ", StringComparison.Ordinal))) continue;
                if (Hashing.OfFile(Path.Combine(folder, name)) != sha256) problems.Add($"{name} was changed: its SHA-256 is not that of the manifest");
            }
            progress?.Report(new ProgressReport("verify", i + 1, manifest.Shards.Length, "shards"));
        }
        return problems;
    }

    /// <summary>Number of rows in a part of the store.</summary>
    /// <param name="split">The part.</param>
    public long RowCount(StoreSplit split) => split switch
    {
        StoreSplit.All => Manifest.Rows,
        StoreSplit.HeldOut => Manifest.HeldOutRows,
        _ => Manifest.Rows - Manifest.HeldOutRows,
    };

    /// <summary>The rows in the order in which they were written. Every batch but the last is full.</summary>
    /// <param name="batch">Rows in a batch.</param>
    /// <param name="split">Which rows.</param>
    /// <returns>Batches [batch, d_model]; the arrays of one are reused after the next one was asked for.</returns>
    /// <exception cref="UserErrorException">The batch size is out of range (at once), or a file cannot be read (while reading).</exception>
    public IEnumerable<ActivationBatch> Read(int batch, StoreSplit split = StoreSplit.All)
    {
        CheckBatch(batch);
        return Stream();

        IEnumerable<ActivationBatch> Stream()
        {
            var source = new SequentialRows(this, split);
            foreach (ActivationBatch ready in BatchStream.Of(source.Fill, batch, DModel)) yield return ready;
        }
    }

    /// <summary>
    /// The rows in random order, without end: every row once, then every row once again in another order, and so on. A batch may
    /// hold the last rows of one epoch and the first of the next, so all are full. The same seed gives the same stream, and
    /// starting at batch k gives what an uninterrupted stream gives from there on.
    /// </summary>
    /// <param name="batch">Rows in a batch.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="split">Which rows.</param>
    /// <param name="firstBatch">Number of the batch to begin with, from 0.</param>
    /// <returns>Batches [batch, d_model]; the arrays of one are reused after the next one was asked for.</returns>
    /// <exception cref="UserErrorException">The split has no row, the batch size is out of range or the store too large to shuffle
    /// (at once), or a file cannot be read (while reading).</exception>
    public IEnumerable<ActivationBatch> Shuffled(int batch, long seed, StoreSplit split, long firstBatch = 0)
    {
        CheckBatch(batch);
        ArgumentOutOfRangeException.ThrowIfNegative(firstBatch);
        if (Manifest.Rows > Array.MaxLength) throw new UserErrorException($"{Folder} has {Manifest.Rows:N0} rows; at most {Array.MaxLength:N0} are shuffled", "extract fewer rows");
        if (RowCount(split) == 0) throw new UserErrorException($"the {split} part of {Folder} has no row", "extract more documents, or with another held_out_fraction");
        return Stream();

        IEnumerable<ActivationBatch> Stream()
        {
            var source = new ShuffledRows(this, split, seed, checked(firstBatch * batch));
            foreach (ActivationBatch ready in BatchStream.Of(source.Fill, batch, DModel)) yield return ready;
        }
    }

    /// <summary>Unmaps the shards, after the batches that are being prepared.</summary>
    public void Dispose()
    {
        gate.EnterWriteLock();
        try
        {
            if (disposed) return;
            disposed = true;
            foreach (Lazy<MappedShard> shard in shards.Where(shard => shard.IsValueCreated)) shard.Value.Dispose();
        }
        finally
        {
            gate.ExitWriteLock();
        }
    }

    /// <summary>Copies consecutive rows of one shard [n, d_model].</summary>
    internal void CopyRows(int shard, int row, Span<float> values)
    {
        using ReadClaim claim = new(this);
        shards[shard].Value.CopyRows(row, values);
    }

    /// <summary>Copies rows from all over the store [n, d_model].</summary>
    internal void Gather(ReadOnlySpan<int> rows, Span<float> values)
    {
        using ReadClaim claim = new(this);
        for (int i = 0; i < rows.Length; i++)
        {
            int found = Array.BinarySearch(starts, rows[i]);
            int shard = found >= 0 ? found : ~found - 1;
            shards[shard].Value.CopyRows(rows[i] - starts[shard], values.Slice(i * DModel, DModel));
        }
    }

    /// <summary>Where the rows of one shard come from.</summary>
    internal RowOrigins ReadOrigins(int shard)
    {
        StoreShard entry = Manifest.Shards[shard];
        var origins = new RowOrigins(entry.Rows);
        origins.Read(Path.Combine(Folder, entry.RowsFile), entry.Rows);
        return origins;
    }

    private RowOrigins ReadAllOrigins()
    {
        var origins = new RowOrigins((int)Manifest.Rows);
        for (int i = 0; i < starts.Length; i++) origins.Read(Path.Combine(Folder, Manifest.Shards[i].RowsFile), Manifest.Shards[i].Rows, starts[i]);
        return origins;
    }

    private static StoreManifest ReadManifest(string folder)
    {
        string path = Path.Combine(folder, StoreFolder.ManifestName);
        return File.Exists(path) ? StoreManifest.Read(path) : throw StoreFolder.Unfinished(folder);
    }

    private void CheckBatch(int batch)
    {
        int most = Array.MaxLength / DModel;
        if (batch < 1 || batch > most) throw new UserErrorException($"batch is {batch} rows; it must be 1..{most:N0} for rows of width {DModel}", "1024 to 8192 is usual");
    }

    /// <summary>Keeps the shards mapped: a stream that outlives the store must fail, not read unmapped memory and take the process down.</summary>
    private readonly ref struct ReadClaim
    {
        private readonly ActivationStore store;

        public ReadClaim(ActivationStore store)
        {
            this.store = store;
            store.gate.EnterReadLock();
            if (!store.disposed) return;
            store.gate.ExitReadLock();
            throw new ObjectDisposedException(nameof(ActivationStore));
        }

        public void Dispose() => store.gate.ExitReadLock();
    }
}
