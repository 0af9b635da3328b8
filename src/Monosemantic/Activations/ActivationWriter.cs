using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// Writes an activation store row by row, holding one shard in memory. Shards are written whole and at boundaries that depend
/// on the plan alone, so a store that was interrupted and resumed has the same bytes as one that was not.
/// </summary>
/// <remarks>Not thread-safe. The folder is claimed until the writer is disposed; <see cref="Complete"/> makes it a store.</remarks>
public sealed class ActivationWriter : IDisposable
{
    private readonly StoreFolder folder;
    private readonly List<ShardRecord> finished;
    private readonly RowOrigins origins;
    private readonly RowSums sums;
    private readonly byte[] values;
    private readonly float[] stored;
    private int filled, heldOut, lastDocument = -1;
    private bool lastIsHeldOut, closed;

    private ActivationWriter(StoreFolder folder, StorePlan plan, List<ShardRecord> finished)
    {
        this.folder = folder;
        this.finished = finished;
        Plan = plan;
        origins = new RowOrigins(plan.RowsPerShard);
        sums = new RowSums(plan.DModel);
        values = new byte[(long)plan.RowsPerShard * plan.DModel * plan.Dtype.Element().Size];
        stored = new float[plan.DModel];
    }

    /// <summary>What is being written.</summary>
    public StorePlan Plan { get; }

    /// <summary>Rows so far: those of finished shards and those added since.</summary>
    public long Rows => (long)finished.Count * Plan.RowsPerShard + filled;

    /// <summary>Starts a store in a new or empty folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="plan">What is going to be written.</param>
    /// <exception cref="UserErrorException">The folder holds something, is being written, or cannot be written; or the plan makes no sense.</exception>
    public static ActivationWriter Create(string folder, StorePlan plan) => Open(folder, plan, resume: false);

    /// <summary>
    /// Goes on with an unfinished store after its last whole shard; <see cref="Rows"/> says with which row. A new or empty folder
    /// starts from nothing.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="plan">The same plan as before.</param>
    /// <exception cref="UserErrorException">The folder holds a finished store or one of another plan (the message names the keys), or is being written.</exception>
    public static ActivationWriter Resume(string folder, StorePlan plan) => Open(folder, plan, resume: true);

    /// <summary>Adds rows.</summary>
    /// <param name="rows">Activations [n, d_model], row-major.</param>
    /// <param name="documents">Index of each row's document [n].</param>
    /// <param name="positions">Index of each row's token in its document [n]; -1 for an inserted token.</param>
    /// <param name="tokens">Each row's token id [n].</param>
    /// <exception cref="UserErrorException">A value is not finite or does not fit the dtype, or the disk is full.</exception>
    public void Add(ReadOnlySpan<float> rows, ReadOnlySpan<int> documents, ReadOnlySpan<int> positions, ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        if (rows.Length != (long)documents.Length * Plan.DModel || positions.Length != documents.Length || tokens.Length != documents.Length)
        {
            throw new ArgumentException($"{rows.Length} values, {documents.Length} documents, {positions.Length} positions and {tokens.Length} tokens are not rows of width {Plan.DModel}", nameof(rows));
        }
        for (int done = 0; done < documents.Length;)
        {
            int count = Math.Min(documents.Length - done, Plan.RowsPerShard - filled);
            documents.Slice(done, count).CopyTo(origins.Documents.AsSpan(filled));
            positions.Slice(done, count).CopyTo(origins.Positions.AsSpan(filled));
            tokens.Slice(done, count).CopyTo(origins.Tokens.AsSpan(filled));
            for (int i = 0; i < count; i++) AddRow(rows.Slice((done + i) * Plan.DModel, Plan.DModel));
            done += count;
            if (filled == Plan.RowsPerShard) Flush();
        }
    }

    /// <summary>Writes the last shard and the manifest: only now is the folder a store.</summary>
    /// <exception cref="UserErrorException">No row was added, or the disk is full.</exception>
    public StoreManifest Complete()
    {
        ObjectDisposedException.ThrowIf(closed, this);
        if (filled > 0) Flush();
        if (finished.Count == 0) throw new UserErrorException($"no row was written to {folder.Path}", "check that the text has tokens that are kept");
        var manifest = new StoreManifest
        {
            FormatVersion = StoreManifest.CurrentVersion,
            Rows = finished.Sum(record => (long)record.Shard.Rows),
            HeldOutRows = finished.Sum(record => (long)record.Shard.HeldOutRows),
            Plan = Plan,
            Statistics = ShardStatistics.Merge([.. finished.Select(record => record.Statistics)]),
            Shards = [.. finished.Select(record => record.Shard)],
        };
        JsonFile.Write(folder[StoreFolder.ManifestName], manifest);
        Dispose();
        return manifest;
    }

    /// <summary>Gives the folder up. Without <see cref="Complete"/> it stays unfinished; its whole shards can be resumed from.</summary>
    public void Dispose()
    {
        closed = true;
        folder.Dispose();
    }

    private static ActivationWriter Open(string path, StorePlan plan, bool resume)
    {
        ArgumentNullException.ThrowIfNull(plan);
        StoreFolder folder = StoreFolder.Claim(path, plan, resume);
        try
        {
            return new ActivationWriter(folder, plan, ShardRecord.ReadFinished(folder, plan.RowsPerShard));
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    private void AddRow(ReadOnlySpan<float> row)
    {
        if (!sums.Add(Store(row))) throw NotFinite(row);
        int document = origins.Documents[filled];
        if (document != lastDocument) (lastDocument, lastIsHeldOut) = (document, Plan.Split.IsHeldOut(document));
        if (lastIsHeldOut) heldOut++;
        filled++;
    }

    // Puts a row in the shard and returns what a reader of the shard will see.
    private ReadOnlySpan<float> Store(ReadOnlySpan<float> row)
    {
        if (Plan.Dtype == StoreDtype.F32)
        {
            row.CopyTo(MemoryMarshal.Cast<byte, float>(values.AsSpan(filled * row.Length * sizeof(float))));
            return row;
        }
        Span<Half> halves = MemoryMarshal.Cast<byte, Half>(values.AsSpan(filled * row.Length * 2, row.Length * 2));
        TensorPrimitives.ConvertToHalf(row, halves);
        TensorPrimitives.ConvertToSingle(halves, stored);
        return stored;
    }

    private UserErrorException NotFinite(ReadOnlySpan<float> row)
    {
        closed = true;
        string where = $"the activation at {Plan.HookPoint} of token {origins.Positions[filled]} of document {origins.Documents[filled]}";
        foreach (float value in row)
        {
            if (!float.IsFinite(value)) return new($"{where} is {value}, not a finite number", "check the model's weights; a float16 overflow inside the model looks like this");
        }
        return new($"{where} reaches {TensorPrimitives.MaxMagnitude(row)}, and float16 ends at 65504", "store it with --dtype f32");
    }

    private void Flush()
    {
        // A writer whose shard could not be written is of no use any more: its rows are counted already.
        closed = true;
        int shard = finished.Count;
        string file = folder[StoreFolder.ShardName(shard)], rowsFile = folder[StoreFolder.RowsName(shard)];
        int length = filled * Plan.DModel * Plan.Dtype.Element().Size;
        SafetensorsWriter.WriteItems(file, [new(StoreFolder.TensorName, Plan.Dtype.Element(), [filled, Plan.DModel], stream => stream.Write(values, 0, length))]);
        origins.Write(rowsFile, filled);
        ShardRecord record = ShardRecord.Of(file, rowsFile, filled, heldOut, sums.Take());
        JsonFile.Write(folder[StoreFolder.StatisticsName(shard)], record);
        finished.Add(record);
        (filled, heldOut, closed) = (0, 0, false);
    }
}
