using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// Activations of one hook point straight from a model, without a store: the rows that an extraction with the same settings would
/// have stored, rounded as it would have, and the same shuffled batches. Rows are computed each time they are read, so every epoch
/// costs the forward passes again; two windows are in memory at a time, the one that is read and the next one.
/// </summary>
/// <remarks>
/// Use a buffer of at least 16 times the rows of a forward pass (4,096 by default): with less, a pass is computed for each of
/// several windows.
/// </remarks>
public sealed class LiveActivations : IActivationRows, IDisposable
{
    private readonly Extraction extraction;
    private readonly LiveSplit training, heldOut;
    private readonly Lock gate = new();

    private LiveActivations(Extraction extraction, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        if (extraction.Source.Hooks.Length != 1) throw new UserErrorException($"hooks names {extraction.Source.Hooks.Length} points; on the fly there can be one", "name one hook point, or extract a store for each");
        this.extraction = extraction;
        training = new LiveSplit(this, extraction.Schedule[StoreSplit.Training], progress, cancellation);
        heldOut = new LiveSplit(this, extraction.Schedule[StoreSplit.HeldOut], progress, cancellation);
    }

    /// <inheritdoc/>
    public StorePlan Plan => extraction.StorePlans[0];

    /// <inheritdoc/>
    public int DModel => Plan.DModel;

    /// <summary>Loads what the settings name. Where outliers are to be left out, the whole text goes through the model once to find them.</summary>
    /// <param name="config">The settings; one hook point.</param>
    /// <param name="progress">Told of documents read and rows looked at.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">A setting, the model or the text is not as it must be.</exception>
    public static LiveActivations Open(ExtractionConfig config, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default) =>
        Of(Extraction.Open(config, progress, cancellation), progress, cancellation);

    /// <summary>The activations that an extraction would store.</summary>
    /// <param name="extraction">The extraction, of one hook point; this disposes it.</param>
    /// <param name="progress">Told of rows looked at.</param>
    /// <param name="cancellation">Stops that.</param>
    /// <exception cref="UserErrorException">It has several hook points.</exception>
    public static LiveActivations Of(Extraction extraction, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(extraction);
        try
        {
            return new LiveActivations(extraction, progress, cancellation);
        }
        catch
        {
            extraction.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long RowCount(StoreSplit split) => split switch
    {
        StoreSplit.All => training.Rows + heldOut.Rows,
        StoreSplit.HeldOut => heldOut.Rows,
        _ => training.Rows,
    };

    /// <summary>Mean, variance and norms over the first training rows: what inputs are scaled by.</summary>
    /// <param name="rows">How many rows; all of them give what a store would say.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>The statistics; null where there is no training row.</returns>
    public StoreStatistics? TrainingStatistics(long rows = long.MaxValue, CancellationToken cancellation = default)
    {
        var merged = new MergedStatistics();
        var sums = new RowSums(DModel);
        long done = 0;
        foreach (ActivationBatch batch in Read(1024, StoreSplit.Training))
        {
            cancellation.ThrowIfCancellationRequested();
            for (int row = 0; row < batch.Rows && done < rows; row++)
            {
                sums.Add(batch.Row(row));
                if (++done % Plan.RowsPerShard == 0) merged.Add(sums.Take());
            }
            if (done == rows) break;
        }
        if (done % Plan.RowsPerShard != 0) merged.Add(sums.Take());
        return merged.Result();
    }

    /// <inheritdoc/>
    public IEnumerable<ActivationBatch> Read(int batch, StoreSplit split = StoreSplit.All) => RowStreams.Read(BlocksOf(split), DModel, batch);

    /// <inheritdoc/>
    public IEnumerable<ActivationBatch> Shuffled(int batch, int bufferRows, long seed, StoreSplit split = StoreSplit.All, long firstBatch = 0, long epochs = 0) =>
        RowStreams.Shuffled(BlocksOf(split), $"the {split} part of {Plan.Corpus.Source}", DModel, batch, bufferRows, seed, firstBatch, epochs);

    /// <summary>One line: what is computed.</summary>
    public override string ToString() =>
        $"{RowCount(StoreSplit.All):N0} rows x {DModel} {Plan.Dtype.ToString().ToLowerInvariant()} of {Plan.HookPoint} in {Plan.Model.Name} on {Plan.Corpus.Source}, computed as they are read ({heldOut.Rows:N0} held out)";

    /// <summary>Frees the model, if the extraction loaded it.</summary>
    public void Dispose()
    {
        lock (gate) extraction.Dispose();
    }

    /// <summary>Computes one group; nobody else does meanwhile.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="use">Takes the activations of its hook point [n, d_model] and which rows are outliers [n].</param>
    internal void Compute(KeptRows rows, Action<float[], bool[]> use)
    {
        lock (gate)
        {
            extraction.Group.Compute(rows, Plan.Outliers);
            use(extraction.Group.Values[0], extraction.Group.Outliers);
        }
    }

    private ComputedBlocks BlocksOf(StoreSplit split) => new(this, split switch
    {
        StoreSplit.All => [training, heldOut],
        StoreSplit.HeldOut => [heldOut],
        _ => [training],
    });
}
