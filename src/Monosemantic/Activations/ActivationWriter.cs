using System.Numerics.Tensors;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// Writes an activation store row by row, in memory that does not depend on its size. Shards end at places that depend on the
/// plan and the rows alone, so a store that was interrupted and resumed has the same bytes as one that was not.
/// </summary>
/// <remarks>Not thread-safe. The folder is claimed until the writer is disposed; <see cref="Complete"/> makes it a store.</remarks>
public sealed class ActivationWriter : IDisposable
{
    private const int BlockRows = 4096, RowsAtOnce = 256;
    private readonly StoreFolder folder;
    private readonly ShardSequence shards;
    private readonly RowSums sums;
    private readonly byte[] bytes;
    private readonly float[] scales = new float[RowsAtOnce], stored;
    private readonly bool ownBlocks;
    private int lastDocument = -1;
    private bool lastIsHeldOut, inHeldOut, closed;

    private ActivationWriter(StoreFolder folder, StorePlan plan, bool ownBlocks)
    {
        this.folder = folder;
        this.ownBlocks = ownBlocks;
        Plan = plan;
        sums = new RowSums(plan.DModel);
        shards = new ShardSequence(folder, plan, ShardRecord.ReadFinished(folder));
        bytes = new byte[(long)RowsAtOnce * plan.Dtype.RowBytes(plan.DModel)];
        stored = new float[plan.DModel];
        inHeldOut = shards.RowsOf(heldOut: true) > 0;
    }

    /// <summary>What is being written.</summary>
    public StorePlan Plan { get; }

    /// <summary>Rows so far: those of finished shards and those added since.</summary>
    public long Rows => shards.RowsOf(heldOut: false) + shards.RowsOf(heldOut: true);

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

    /// <summary>Adds rows. Those of training documents come first, then those of held-out ones.</summary>
    /// <param name="rows">Activations [n, d_model], row-major.</param>
    /// <param name="documents">Index of each row's document [n].</param>
    /// <param name="positions">Index of each row's token in its document [n]; -1 for an inserted token.</param>
    /// <param name="tokens">Each row's token id [n]; -1 where it is not known.</param>
    /// <exception cref="UserErrorException">A value is not finite or does not fit the dtype, or the disk is full.</exception>
    /// <exception cref="ArgumentException">The lengths do not belong together, or a training row follows a held-out one.</exception>
    public void Add(ReadOnlySpan<float> rows, ReadOnlySpan<int> documents, ReadOnlySpan<int> positions, ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        if (rows.Length != (long)documents.Length * Plan.DModel || positions.Length != documents.Length || tokens.Length != documents.Length)
        {
            throw new ArgumentException($"{rows.Length} values, {documents.Length} documents, {positions.Length} positions and {tokens.Length} tokens are not rows of width {Plan.DModel}", nameof(rows));
        }
        for (int done = 0, count; done < documents.Length; done += count)
        {
            bool heldOut = IsHeldOut(documents[done]);
            count = 1;
            while (done + count < documents.Length && IsHeldOut(documents[done + count]) == heldOut) count++;
            Add(rows.Slice(done * Plan.DModel, count * Plan.DModel), documents.Slice(done, count), positions.Slice(done, count), tokens.Slice(done, count), heldOut);
        }
    }

    /// <summary>Writes the last shard and the manifest: only now is the folder a store.</summary>
    /// <exception cref="UserErrorException">No row was added, or the disk is full.</exception>
    public StoreManifest Complete()
    {
        ObjectDisposedException.ThrowIf(closed, this);
        closed = true;
        if (shards.IsOpen) shards.Finish(sums.Take());
        IReadOnlyList<StoreShard> finished = shards.WaitForAll();
        if (finished.Count == 0) throw new UserErrorException($"no row was written to {folder.Path}", "check that the text has tokens that are kept");
        var manifest = new StoreManifest
        {
            FormatVersion = StoreManifest.CurrentVersion,
            Rows = Rows,
            HeldOutRows = shards.RowsOf(heldOut: true),
            OutlierRows = shards.OutliersOf(heldOut: false) + shards.OutliersOf(heldOut: true),
            Plan = Plan,
            Statistics = shards.Statistics!,
            TrainingStatistics = shards.TrainingStatistics,
            TokenTexts = File.Exists(folder[StoreFolder.TokenTextsName]) ? StoreFile.Of(folder[StoreFolder.TokenTextsName]) : null,
            Shards = [.. finished],
        };
        JsonFile.Write(folder[StoreFolder.ManifestName], manifest);
        Dispose();
        return manifest;
    }

    /// <summary>Gives the folder up. Without <see cref="Complete"/> it stays unfinished; its whole shards can be resumed from.</summary>
    public void Dispose()
    {
        closed = true;
        shards.Dispose();
        folder.Dispose();
    }

    /// <summary>Starts or resumes a store; null where resuming finds it finished.</summary>
    /// <exception cref="UserErrorException">The folder holds a store of another plan (the message names the keys), or is being written.</exception>
    internal static ActivationWriter? OpenUnlessFinished(string path, StorePlan plan, bool resume, bool ownBlocks = false)
    {
        string manifest = Path.Combine(path, StoreFolder.ManifestName);
        if (!resume || !File.Exists(manifest)) return Open(path, plan, resume, ownBlocks);
        IReadOnlyList<string> differences = StoreManifest.Read(manifest).Plan.Differences(plan);
        if (differences.Count == 0) return null;
        throw new UserErrorException($"{path} holds a finished store of another run; in the folder against now: {string.Join("; ", differences)}", "choose another folder with --out");
    }

    /// <summary>Starts or resumes a store.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="plan">What is going to be written.</param>
    /// <param name="resume">Whether the folder may hold an unfinished store of that plan.</param>
    /// <param name="ownBlocks">Whether the caller says where blocks end; else they do after every 4,096 rows.</param>
    internal static ActivationWriter Open(string path, StorePlan plan, bool resume, bool ownBlocks = false)
    {
        ArgumentNullException.ThrowIfNull(plan);
        StoreFolder folder = StoreFolder.Claim(path, plan, resume);
        try
        {
            return new ActivationWriter(folder, plan, ownBlocks);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Adds rows of one split, whatever the plan says of their documents.</summary>
    internal void Add(ReadOnlySpan<float> rows, ReadOnlySpan<int> documents, ReadOnlySpan<int> positions, ReadOnlySpan<int> tokens, bool heldOut)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        // Whatever goes wrong from here on, rows that were counted may not be in a file.
        closed = true;
        Enter(heldOut, documents);
        for (int done = 0; done < documents.Length;)
        {
            int count = Math.Min(Math.Min(documents.Length - done, RowsAtOnce), Math.Min(shards.Room(heldOut), ownBlocks ? int.MaxValue : BlockRows - shards.OpenBlock));
            for (int i = 0; i < count; i++) Encode(rows.Slice((done + i) * Plan.DModel, Plan.DModel), i, positions[done + i], documents[done + i]);
            shards.Add(heldOut, bytes.AsSpan(0, count * Plan.Dtype.RowBytes(Plan.DModel)), scales.AsSpan(0, count), documents.Slice(done, count), positions.Slice(done, count), tokens.Slice(done, count));
            if (!ownBlocks && shards.OpenBlock == BlockRows) shards.EndBlock();
            if (shards.IsFull) shards.Finish(sums.Take());
            done += count;
        }
        closed = false;
    }

    /// <summary>Rows of one split so far.</summary>
    internal long RowsOf(bool heldOut) => shards.RowsOf(heldOut);

    /// <summary>Rows and outliers of one split so far: how many of its candidates need not be computed again.</summary>
    internal long CandidatesOf(bool heldOut) => shards.RowsOf(heldOut) + shards.OutliersOf(heldOut);

    /// <summary>Counts a row that is left out.</summary>
    internal void LeaveOut(bool heldOut) => shards.LeaveOut(heldOut);

    /// <summary>The rows added since the last call came out of one forward pass.</summary>
    internal void EndBlock() => shards.EndBlock();

    /// <summary>Keeps what each token reads like.</summary>
    internal void WriteTokenTexts(IReadOnlyList<string> texts) => TokenTextsFile.Write(folder[StoreFolder.TokenTextsName], texts);

    private bool IsHeldOut(int document)
    {
        if (document != lastDocument) (lastDocument, lastIsHeldOut) = (document, Plan.Split.IsHeldOut(document));
        return lastIsHeldOut;
    }

    private void Enter(bool heldOut, ReadOnlySpan<int> documents)
    {
        if (heldOut == inHeldOut || documents.IsEmpty) return;
        if (inHeldOut) throw new ArgumentException($"document {documents[0]} is for training, but held-out rows were added already: add the rows of training documents first", nameof(documents));
        if (shards.IsOpen) shards.Finish(sums.Take());
        inHeldOut = true;
    }

    // Encodes a row and adds up what a reader of the store will see of it.
    private void Encode(ReadOnlySpan<float> row, int at, int position, int document)
    {
        int size = Plan.Dtype.RowBytes(Plan.DModel);
        Span<byte> target = bytes.AsSpan(at * size, size);
        scales[at] = RowCodec.Encode(Plan.Dtype, row, target);
        if (Plan.Dtype != StoreDtype.F32) RowCodec.Decode(Plan.Dtype, target, scales[at], stored);
        if (!sums.Add(Plan.Dtype == StoreDtype.F32 ? row : stored)) throw NotFinite(row, position, document);
    }

    private UserErrorException NotFinite(ReadOnlySpan<float> row, int position, int document)
    {
        string where = $"the activation at {Plan.HookPoint} of token {position} of document {document}";
        foreach (float value in row)
        {
            if (!float.IsFinite(value)) return new($"{where} is {value}, not a finite number", "check the model's weights; a float16 overflow inside the model looks like this");
        }
        return new($"{where} reaches {TensorPrimitives.MaxMagnitude(row)}, and float16 ends at 65504", "store it with --dtype bf16 or f32");
    }
}
