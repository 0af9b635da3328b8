using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics;

/// <summary>Measures a dictionary on activations: reconstruction, sparsity and geometry in one pass, in memory that does not grow.</summary>
public static class Evaluation
{
    /// <summary>Reads the activations once.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="batches">Activations of the hook point it was trained on; inserted tokens (position -1) are left out.</param>
    /// <param name="split">Which rows these are, such as <c>held_out</c>.</param>
    /// <param name="crossEntropy">From <see cref="SplicedLoss"/>; null where no model is at hand.</param>
    /// <param name="total">Rows to expect, for the progress bar; 0 if unknown.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="mean">Mean of the store that the activations come from [d_model]; null where it is not known.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">There is no row, its width is another than the dictionary's, or a value is not finite.</exception>
    public static EvaluationResult Measure(
        SparseAutoencoder sae,
        IEnumerable<ActivationBatch> batches,
        string split,
        CrossEntropyResult? crossEntropy = null,
        long total = 0,
        IProgress<ProgressReport>? progress = null,
        IReadOnlyList<double>? mean = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sae);
        ArgumentNullException.ThrowIfNull(batches);
        var pass = new DictionaryPass(sae, mean, comparedRows: 0);
        Read(pass, batches, total, progress, cancellation);
        return Result(pass, DecoderGeometry.Of(sae), split, crossEntropy);
    }

    /// <summary>Feeds a pass with every batch.</summary>
    internal static void Read(DictionaryPass pass, IEnumerable<ActivationBatch> batches, long total, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        long done = 0;
        foreach (ActivationBatch batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            pass.Add(batch);
            progress?.Report(new("eval", done += batch.Rows, total, "rows"));
        }
    }

    /// <summary>The numbers of a finished pass.</summary>
    internal static EvaluationResult Result(DictionaryPass pass, DecoderGeometry geometry, string split, CrossEntropyResult? crossEntropy)
    {
        if (pass.All.Rows == 0) throw new UserErrorException($"the split '{split}' holds no activations to evaluate on", "extract more documents, or hold out a larger share of them");
        Dictionary<string, MetricValue> numbers = pass.Numbers(split);
        foreach ((string name, MetricValue number) in geometry.Numbers()) numbers[name] = number;
        foreach ((string name, MetricValue number) in crossEntropy?.Numbers ?? ImmutableDictionary<string, MetricValue>.Empty) numbers[name] = number;
        if (numbers["mse_per_vector"].Value is not { } mse) throw new UserErrorException($"an activation or reconstruction of the split '{split}' is not a finite number", "extract the activations again; if it stays, the model or the dictionary is broken");
        return new EvaluationResult
        {
            Split = split,
            Rows = pass.All.Rows,
            Documents = pass.All.Documents,
            Fvu = numbers["fvu"].Value,
            MsePerVector = mse,
            L0 = numbers["l0"].Value!.Value,
            DeadFraction = numbers["dead_fraction"].Value!.Value,
            CosineSimilarity = numbers["cosine_similarity"].Value,
            CrossEntropy = crossEntropy,
            Numbers = numbers,
            Density = pass.Density.Histogram(),
        };
    }
}
