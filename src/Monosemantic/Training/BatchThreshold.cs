using Monosemantic.Dictionaries;

namespace Monosemantic.Training;

/// <summary>The running threshold with which a selection over batches will work token by token.</summary>
internal sealed class BatchThreshold(BatchThresholdConfig config)
{
    /// <summary>The threshold so far; below 0 where there is none yet.</summary>
    internal double Value { get; set; } = config.Update == ThresholdUpdate.EmaFromZero ? 0 : -1;

    /// <summary>Takes a batch into account.</summary>
    /// <param name="code">Its code.</param>
    /// <param name="norms">What activations are multiplied by to be ranked [d_sae]; null for 1.</param>
    /// <param name="step">The step, from 0.</param>
    /// <param name="perToken">Whether the mean over tokens of each token's smallest activation counts, not the smallest of all.</param>
    internal unsafe void Update(SparseCode code, float* norms, long step, bool perToken)
    {
        double smallest = perToken ? MeanSmallest(code) : Smallest(code, norms);
        if (config.Update == ThresholdUpdate.EmaFromZero)
        {
            if (smallest > 0) Value = (config.Beta * Value) + ((1 - config.Beta) * smallest);
            return;
        }
        if (step <= config.StartStep) return;
        Value = Value < 0 ? smallest : (config.Beta * Value) + ((1 - config.Beta) * smallest);
    }

    private static unsafe double Smallest(SparseCode code, float* norms)
    {
        float smallest = float.PositiveInfinity;
        for (int i = 0; i < code.Count; i++)
        {
            float value = norms == null ? code.Values[i] : code.Values[i] * norms[code.Features[i]];
            if (value > 0) smallest = Math.Min(smallest, value);
        }
        return float.IsPositiveInfinity(smallest) ? 0 : smallest;
    }

    private static double MeanSmallest(SparseCode code)
    {
        double sum = 0;
        int tokens = 0;
        for (int row = 0; row < code.Rows; row++)
        {
            float smallest = float.PositiveInfinity;
            foreach (float value in code.ValuesOf(row)) if (value > 0) smallest = Math.Min(smallest, value);
            if (float.IsPositiveInfinity(smallest)) continue;
            sum += smallest;
            tokens++;
        }
        return tokens == 0 ? 0 : sum / tokens;
    }
}
