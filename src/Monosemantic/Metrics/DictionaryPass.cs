using System.Runtime.CompilerServices;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics;

/// <summary>One pass over activations that feeds every accumulator of a dictionary, in memory that does not grow.</summary>
internal sealed class DictionaryPass
{
    private readonly SparseAutoencoder sae;
    private readonly IMetricAccumulator[] accumulators;
    private readonly long comparedRows;
    private readonly float[] shift;
    private readonly bool hasMean;
    private float[] values = [], reconstruction = [];
    private int[] documents = [];

    /// <summary>Starts a pass.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="mean">Mean of the store [d_model]; null where it is not known.</param>
    /// <param name="comparedRows">The first rows, on which baselines are compared: measured a second time by themselves.</param>
    internal DictionaryPass(SparseAutoencoder sae, IReadOnlyList<double>? mean, long comparedRows)
    {
        (this.sae, this.comparedRows, hasMean) = (sae, comparedRows, mean is not null);
        shift = mean is null ? new float[sae.Config.DModel] : [.. mean.Select(value => (float)value)];
        if (shift.Length != sae.Config.DModel) throw new ArgumentException($"a mean of {shift.Length} dimensions where {sae.Config.DModel} are read", nameof(mean));
        All = new(CoreMetrics.OfDictionary(sae.Config.DModel, sae.Config.DSae, hasMean));
        Compared = new(CoreMetrics.OfReconstruction(sae.Config.DModel, hasMean));
        Density = new(sae.Config.DSae);
        Together = new(sae.Config.DSae);
        accumulators = [All, Density, Together];
    }

    /// <summary>Numbers over all rows.</summary>
    internal DocumentSums All { get; }

    /// <summary>Numbers of the reconstruction over the first rows.</summary>
    internal DocumentSums Compared { get; }

    /// <summary>How often features fire.</summary>
    internal FeatureDensity Density { get; }

    /// <summary>Which features fire together.</summary>
    internal Cooccurrence Together { get; }

    /// <summary>Every number, by name.</summary>
    /// <param name="split">Where the rows come from.</param>
    internal Dictionary<string, MetricValue> Numbers(string split) => new(accumulators.SelectMany(accumulator => accumulator.Compute(split)));

    /// <summary>Adds a batch; inserted tokens (position -1) are left out.</summary>
    /// <param name="batch">Activations of the dictionary's hook point.</param>
    /// <exception cref="UserErrorException">The width is another than the dictionary's.</exception>
    internal void Add(ActivationBatch batch)
    {
        if (batch.DModel != sae.Config.DModel) throw WidthError(sae, batch);
        int size = batch.Rows * batch.DModel;
        if (values.Length < size) (values, reconstruction, documents) = (new float[size], new float[size], new int[batch.Rows]);
        int rows = RealRows.Copy(batch, values, documents);
        if (rows == 0) return;
        if (!hasMean && All.Rows == 0) values.AsSpan(0, batch.DModel).CopyTo(shift);
        SparseCode code = sae.EncodeSparse(values, rows);
        sae.Decode(code, reconstruction);
        MetricRows measured = new MetricRows { Rows = rows, DModel = batch.DModel, X = values, Reconstruction = reconstruction, Code = code, Documents = documents, Shift = shift }.ComputeMoments();
        int first = (int)Math.Clamp(comparedRows - All.Rows, 0, rows);
        Parallel.Invoke([() => Compared.Add(measured, first), .. accumulators.Select(accumulator => (Action)(() => accumulator.Add(measured, rows)))]);
    }

    private static UserErrorException WidthError(SparseAutoencoder sae, ActivationBatch batch) => new(
        $"the activations are {batch.DModel} wide; the dictionary reads {sae.Config.DModel}",
        "evaluate on activations of the model and hook point that it was trained on");
}

/// <summary>The rows of a batch that come from text.</summary>
internal static class RealRows
{
    /// <summary>Copies the rows of tokens that were not inserted; returns how many there are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static int Copy(ActivationBatch batch, float[] values, int[] documents)
    {
        int rows = 0;
        for (int row = 0; row < batch.Rows; row++)
        {
            if (batch.Positions[row] < 0) continue;
            batch.Row(row).CopyTo(values.AsSpan(rows * batch.DModel));
            documents[rows++] = batch.Documents[row];
        }
        return rows;
    }
}
