using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics;

/// <summary>Measures a dictionary on activations: reconstruction and sparsity in one pass, in memory that does not grow.</summary>
public static class Evaluation
{
    /// <summary>Reads the activations once.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="batches">Activations of the hook point it was trained on; inserted tokens (position -1) are left out.</param>
    /// <param name="split">Which rows these are, such as <c>held_out</c>.</param>
    /// <param name="crossEntropy">From <see cref="SplicedLoss"/>; null where no model is at hand.</param>
    /// <param name="total">Rows to expect, for the progress bar; 0 if unknown.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">There is no row, its width is another than the dictionary's, or a value is not finite.</exception>
    public static EvaluationResult Measure(
        SparseAutoencoder sae,
        IEnumerable<ActivationBatch> batches,
        string split,
        CrossEntropyResult? crossEntropy = null,
        long total = 0,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sae);
        ArgumentNullException.ThrowIfNull(batches);
        var error = new ReconstructionError(sae.Config.DModel);
        var sparsity = new Sparsity(sae.Config.DSae);
        float[] values = [], reconstruction = [];
        long done = 0;
        foreach (ActivationBatch batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            int size = batch.Rows * batch.DModel;
            if (batch.DModel != sae.Config.DModel) throw WidthError(sae, batch);
            if (values.Length < size) (values, reconstruction) = (new float[size], new float[size]);
            int rows = CopyReal(batch, values);
            ReadOnlySpan<float> x = values.AsSpan(0, rows * batch.DModel);
            SparseCode code = sae.EncodeSparse(x, rows);
            sae.Decode(code, reconstruction);
            error.Add(x, reconstruction.AsSpan(0, x.Length));
            sparsity.Add(code);
            progress?.Report(new("eval", done += batch.Rows, total, "rows"));
        }
        return Result(split, error.Compute(), sparsity.Compute(), crossEntropy);
    }

    private static int CopyReal(ActivationBatch batch, float[] values)
    {
        int rows = 0;
        for (int row = 0; row < batch.Rows; row++)
        {
            if (batch.Positions[row] >= 0) batch.Row(row).CopyTo(values.AsSpan(rows++ * batch.DModel));
        }
        return rows;
    }

    private static EvaluationResult Result(string split, ReconstructionResult error, SparsityResult sparsity, CrossEntropyResult? crossEntropy)
    {
        if (error.Rows == 0) throw new UserErrorException($"the split '{split}' holds no activations to evaluate on", "extract more documents, or hold out a larger share of them");
        if (error.MsePerVector is not { } mse) throw new UserErrorException($"an activation or reconstruction of the split '{split}' is not a finite number", "extract the activations again; if it stays, the model or the dictionary is broken");
        return new EvaluationResult
        {
            Split = split,
            Rows = error.Rows,
            Fvu = error.Fvu,
            MsePerVector = mse,
            L0 = sparsity.L0!.Value,
            DeadFraction = sparsity.DeadFraction!.Value,
            CosineSimilarity = error.CosineSimilarity,
            CrossEntropy = crossEntropy,
        };
    }

    private static UserErrorException WidthError(SparseAutoencoder sae, ActivationBatch batch) => new(
        $"the activations are {batch.DModel} wide; the dictionary reads {sae.Config.DModel}",
        "evaluate on activations of the model and hook point that it was trained on");
}
