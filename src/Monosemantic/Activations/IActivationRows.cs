using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>Which rows are meant; documents are held out whole.</summary>
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
/// Activations of one hook point, from a store (<see cref="ActivationStore"/>) or straight from a model
/// (<see cref="LiveActivations"/>): the same rows in the same order for the same settings.
/// </summary>
/// <remarks>
/// Several streams may be read at once, from any threads. A stream prepares its next batch and its next window on tasks while the
/// last ones are used; what it gives does not depend on how many threads there are.
/// </remarks>
public interface IActivationRows
{
    /// <summary>Where the rows come from and how they are kept.</summary>
    StorePlan Plan { get; }

    /// <summary>Width of a row, d_model.</summary>
    int DModel { get; }

    /// <summary>Number of rows in a split.</summary>
    /// <param name="split">The split.</param>
    long RowCount(StoreSplit split);

    /// <summary>The rows in order: training rows, then held-out ones. Every batch but the last is full.</summary>
    /// <param name="batch">Rows in a batch.</param>
    /// <param name="split">Which rows.</param>
    /// <returns>Batches [batch, d_model]; see <see cref="ActivationBatch"/> for how long one is valid.</returns>
    /// <exception cref="UserErrorException">The batch size is out of range (at once), or a file cannot be read (while reading).</exception>
    IEnumerable<ActivationBatch> Read(int batch, StoreSplit split = StoreSplit.All);

    /// <summary>
    /// The rows in random order: every row once, then every row once again in another order, and so on. A window of at most
    /// <paramref name="bufferRows"/> rows is drawn in pieces from all over the split and mixed; larger windows mix better. A batch
    /// may hold the last rows of one epoch and the first of the next, so all are full. The stream is a function of split, buffer and
    /// seed alone: starting at batch k (see <see cref="ActivationBatch.Index"/>) gives exactly what an uninterrupted stream gives there.
    /// </summary>
    /// <param name="batch">Rows in a batch.</param>
    /// <param name="bufferRows">Most rows that are mixed at a time.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="split">Which rows; train on <see cref="StoreSplit.Training"/>.</param>
    /// <param name="firstBatch">Number of the batch to begin with, from 0.</param>
    /// <param name="epochs">Number of epochs after which the stream ends, the last batch perhaps short; 0 for without end.</param>
    /// <returns>Batches [batch, d_model]; see <see cref="ActivationBatch"/> for how long one is valid.</returns>
    /// <exception cref="UserErrorException">The split has no row, or batch or buffer are out of range (at once), or a file cannot be
    /// read (while reading).</exception>
    IEnumerable<ActivationBatch> Shuffled(int batch, int bufferRows, long seed, StoreSplit split = StoreSplit.All, long firstBatch = 0, long epochs = 0);
}

/// <summary>What both kinds of <see cref="IActivationRows"/> do the same way.</summary>
internal static class RowStreams
{
    private const int LeastDefault = 1 << 14, MostDefault = 1 << 18, DefaultBytes = 256 << 20;

    /// <summary>The buffer that is used where none is asked for: as many rows as make 256 MB on disk, within reason.</summary>
    public static int DefaultBufferRows(StorePlan plan) => Math.Clamp(DefaultBytes / plan.Dtype.RowBytes(plan.DModel), LeastDefault, MostDefault);

    public static IEnumerable<ActivationBatch> Read(IRowBlocks blocks, int dModel, int batch)
    {
        CheckBatch(batch, dModel);
        return BatchStream.Of(() => new RowsInOrder(blocks), batch, dModel);
    }

    public static IEnumerable<ActivationBatch> Shuffled(IRowBlocks blocks, string name, int dModel, int batch, int bufferRows, long seed, long firstBatch, long epochs)
    {
        CheckBatch(batch, dModel);
        ArgumentOutOfRangeException.ThrowIfNegative(firstBatch);
        ArgumentOutOfRangeException.ThrowIfNegative(epochs);
        if (bufferRows < 1) throw new UserErrorException($"the buffer is {bufferRows} rows; it must be at least 1", "some 100,000 rows mix well");
        if (blocks.Starts[^1] == 0) throw new UserErrorException($"{name} has no row", "extract more documents, or with another held_out_fraction");
        var order = new MixedOrder(blocks.Starts, bufferRows, seed);
        return BatchStream.Of(() => new MixedRows(blocks, order, checked(firstBatch * batch), epochs), batch, dModel, firstBatch);
    }

    private static void CheckBatch(int batch, int dModel)
    {
        int most = Array.MaxLength / dModel;
        if (batch < 1 || batch > most) throw new UserErrorException($"batch is {batch} rows; it must be 1..{most:N0} for rows of width {dModel}", "1024 to 8192 is usual");
    }
}
