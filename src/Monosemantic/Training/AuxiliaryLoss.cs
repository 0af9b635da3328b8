using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>The auxiliary loss of a batch and what its gradient needs.</summary>
/// <param name="Loss">Its value, before the coefficient.</param>
/// <param name="Gradient">Its code and residual, the coefficient included in the scale.</param>
internal sealed record AuxiliaryTerm(double Loss, SparseGradients.Term Gradient);

/// <summary>
/// AuxK (Gao et al. 2024): the aux_k most active dead features of a token reconstruct what the living ones left over, which
/// gives dead features a gradient. The residual is a constant target. Pre-activations are computed for dead features alone.
/// </summary>
internal sealed unsafe class AuxiliaryLoss(SaeTrainingConfig config, int dModel, int threads, TopKEncoder encoder) : IDisposable
{
    private readonly FeatureEntries entries = new(config.DSae);
    private readonly CodeBuilder builder = new(config.Batch, 1);
    private readonly double[] squaredErrors = new double[config.Batch];
    private Tensor? errors;

    /// <summary>Computes the loss.</summary>
    /// <param name="centred">Centred inputs [n, d_model].</param>
    /// <param name="residual">x_hat - x [n, d_model].</param>
    /// <param name="weights">The weights.</param>
    /// <param name="dead">The dead features, ascending.</param>
    /// <param name="variance">Sum of squared distances of the inputs from their mean.</param>
    /// <returns>The loss, or null where there is none.</returns>
    internal AuxiliaryTerm? Compute(Tensor centred, Tensor residual, SaeWeights weights, int[] dead, double variance)
    {
        if (dead.Length == 0 || config.AuxCoefficient == 0) return null;
        int rows = (int)centred.shape[0];
        int most = Math.Max(1, config.AuxK ?? (dModel / 2));
        builder.Widen(Math.Min(most, dead.Length));
        errors ??= empty(config.Batch, dModel, dtype: ScalarType.Float32).DetachFromDisposeScope();
        Tensor index = tensor(Array.ConvertAll(dead, feature => (long)feature));
        float* residualAt = (float*)TensorMemory.Address(residual), errorsAt = (float*)TensorMemory.Address(errors);
        encoder.Encode(
            centred, weights.Encoder.index_select(0, index), weights.BEnc.index_select(0, index), config.AuxRectified, builder,
            (start, count) => Reconstruct(dead, weights, residualAt, errorsAt, start, count));
        entries.Transpose(builder.Close(rows, config.DSae));
        double factor = Factor(residualAt, rows, variance) * (config.AuxScalesWithDead ? Math.Min(dead.Length / (double)most, 1) : 1);
        double sum = 0;
        for (int row = 0; row < rows; row++) sum += squaredErrors[row];
        return new(factor * sum, new(entries, (nint)errorsAt, (float)(2 * factor * config.AuxCoefficient), config.AuxTrainsEncoder));
    }

    // The error is (aux reconstruction) - (x - x_hat) = (aux reconstruction) + residual.
    private void Reconstruct(int[] dead, SaeWeights weights, float* residual, float* errorsAt, int start, int rows)
    {
        float* negative = stackalloc float[dModel];
        fixed (int* features = builder.Features)
        fixed (float* values = builder.Values)
        {
            for (int row = start; row < start + rows; row++)
            {
                long at = (long)row * builder.PerRow;
                for (int i = 0; i < builder.Counts[row]; i++) features[at + i] = dead[features[at + i]];
                float* error = errorsAt + ((long)row * dModel);
                SparseDecode.Row(error, features + at, values + at, builder.Counts[row], weights.DecoderAt, config.AuxAddsBDec ? weights.BDecAt : null, dModel);
                RowKernels.Scale(negative, residual + ((long)row * dModel), -1f, dModel);
                squaredErrors[row] = RowKernels.SubtractAndSumSquares(error, negative, dModel);
            }
        }
    }

    private double Factor(float* residual, int rows, double variance)
    {
        double divisor = config.AuxNormalisation switch
        {
            ErrorNormalisation.None => rows,
            ErrorNormalisation.TotalVariance => variance,
            _ => MatrixStatistics.SumSquaredDeviations(residual, rows, dModel, threads),
        };
        return divisor > 0 ? 1 / divisor : 0;
    }

    /// <summary>Frees the batch's memory.</summary>
    public void Dispose() => errors?.Dispose();
}
