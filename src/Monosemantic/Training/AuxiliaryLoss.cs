using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>The auxiliary loss of a batch and what its gradient needs.</summary>
/// <param name="Loss">Its value, before the coefficient.</param>
/// <param name="Entries">Its code.</param>
/// <param name="Pull">Its error, the coefficient included in the scale.</param>
/// <param name="TrainsEncoder">Whether the gradient goes on to the encoder.</param>
internal sealed record AuxiliaryTerm(double Loss, FeatureEntries Entries, Pull Pull, bool TrainsEncoder);

/// <summary>
/// AuxK (Gao et al. 2024): the aux_k most active dead features of a token reconstruct what the living ones left over, which
/// gives dead features a gradient. The residual is a constant target. Pre-activations are computed for dead features alone.
/// A matryoshka can have one for each level: its own dead features, and what its prefix left over.
/// </summary>
internal sealed unsafe class AuxiliaryLoss(SaeTrainingConfig config, int dOut, int threads, SaeEncoder encoder) : IDisposable
{
    private readonly FeatureEntries entries = new(config.DSae);
    private readonly CodeBuilder builder = new();
    private readonly double[] squaredErrors = new double[config.Batch];
    private Tensor? errors;

    /// <summary>Computes the loss.</summary>
    /// <param name="centred">Centred inputs [n, d_in].</param>
    /// <param name="residual">x_hat - target [n, d_out].</param>
    /// <param name="weights">The weights.</param>
    /// <param name="norms">Lengths of the decoder rows, where features are ranked by them; else null.</param>
    /// <param name="dead">The dead features, ascending.</param>
    /// <param name="variance">Sum of squared distances of the targets from their mean.</param>
    /// <returns>The loss, or null where there is none.</returns>
    internal AuxiliaryTerm? Compute(Tensor centred, Tensor residual, SaeWeights weights, float* norms, int[] dead, double variance)
    {
        if (dead.Length == 0 || config.AuxCoefficient == 0) return null;
        int rows = (int)centred.shape[0], most = Math.Max(1, config.AuxK ?? (weights.DIn / 2)), k = Math.Min(most, dead.Length);
        errors ??= Reconstruction.NewRows(config.Batch, dOut);
        Tensor index = tensor(Array.ConvertAll(dead, feature => (long)feature)), bias = weights.BEnc.index_select(0, index);
        nint biasAt = (nint)TensorMemory.Address(bias), residualAt = (nint)TensorMemory.Address(residual), errorsAt = (nint)TensorMemory.Address(errors);
        float[] deadNorms = norms == null ? [] : Array.ConvertAll(dead, feature => norms[feature]);
        fixed (float* normsAt = deadNorms)
        {
            nint deadNormsAt = (nint)normsAt;
            Func<RowSelector> selector = norms == null
                ? () => new TopKSelection<PlainKey>(new(biasAt), k, dead.Length, config.AuxRectified)
                : () => new TopKSelection<ScaledKey>(new(biasAt, deadNormsAt), k, dead.Length, config.AuxRectified);
            encoder.Encode(centred, weights.Encoder.index_select(0, index), selector, builder, afterTile: (tile, start, count) => Reconstruct(dead, weights, (float*)residualAt, (float*)errorsAt, tile, start, count));
        }
        entries.Transpose(builder.Join(rows, config.DSae));
        double factor = Factor((float*)residualAt, rows, variance) * (config.AuxScalesWithDead ? Math.Min(dead.Length / (double)most, 1) : 1);
        double sum = 0;
        for (int row = 0; row < rows; row++) sum += squaredErrors[row];
        return new(factor * sum, entries, new(errorsAt, (float)(2 * factor * config.AuxCoefficient)), config.AuxTrainsEncoder);
    }

    // The error is (aux reconstruction) - (target - x_hat) = (aux reconstruction) + residual.
    private void Reconstruct(int[] dead, SaeWeights weights, float* residual, float* errorsAt, TileEntries tile, int start, int rows)
    {
        float* negative = stackalloc float[dOut];
        for (int i = 0; i < tile.Count; i++) tile.Features[i] = dead[tile.Features[i]];
        int at = 0;
        for (int row = 0; row < rows; row++)
        {
            long offset = (long)(start + row) * dOut;
            SparseDecode.Row(errorsAt + offset, tile.Features + at, tile.Values + at, tile.RowEnds[row] - at, weights.DecoderAt, config.AuxAddsBDec ? weights.BDecAt : null, dOut);
            RowKernels.Scale(negative, residual + offset, -1f, dOut);
            squaredErrors[start + row] = RowKernels.SubtractAndSumSquares(errorsAt + offset, negative, dOut);
            at = tile.RowEnds[row];
        }
    }

    private double Factor(float* residual, int rows, double variance)
    {
        double divisor = config.AuxNormalisation switch
        {
            ErrorNormalisation.None => rows,
            ErrorNormalisation.TotalVariance => variance,
            _ => MatrixStatistics.SumSquaredDeviations(residual, rows, dOut, threads),
        };
        return divisor > 0 ? 1 / divisor : 0;
    }

    /// <summary>Frees the batch's memory.</summary>
    public void Dispose() => errors?.Dispose();
}
