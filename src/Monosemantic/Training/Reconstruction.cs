using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// Errors of a batch's reconstructions, and what the decoder's gradients are taken from. There is one reconstruction, or one
/// for each nested prefix of features (matryoshka), and sometimes a second one from the pre-activations (gated, multi-TopK).
/// </summary>
internal sealed unsafe class Reconstruction : IDisposable
{
    private const int RowsToARange = 64;
    private readonly SaeWeights weights;
    private readonly int[] widths;
    private readonly Tensor[] residuals;
    private readonly Tensor? second;
    private readonly nint[] at;
    private readonly double[][] squared;
    private readonly double[]? secondSquared;
    private readonly nint secondAt;

    /// <summary>Makes room.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="batch">Most tokens of a batch.</param>
    /// <param name="widths">Ends of the nested prefixes, the last of them d_sae.</param>
    /// <param name="hasSecond">Whether the pre-activations are decoded too.</param>
    internal Reconstruction(SaeWeights weights, int batch, int[] widths, bool hasSecond)
    {
        (this.weights, this.widths) = (weights, widths);
        residuals = [.. widths.Select(_ => NewRows(batch, weights.DOut))];
        at = [.. residuals.Select(tensor => (nint)TensorMemory.Address(tensor))];
        squared = [.. widths.Select(_ => new double[batch])];
        if (!hasSecond) return;
        second = NewRows(batch, weights.DOut);
        secondAt = (nint)TensorMemory.Address(second);
        secondSquared = new double[batch];
    }

    /// <summary>Number of nested reconstructions.</summary>
    internal int Levels => widths.Length;

    /// <summary>x_hat - target of all features [batch, d_out].</summary>
    internal Tensor Residual => residuals[^1];

    /// <summary>Error of the second reconstruction [batch, d_out], or null.</summary>
    internal Tensor? Second => second;

    /// <summary>x_hat - target of a nested reconstruction [batch, d_out]; until <see cref="Accumulate"/>.</summary>
    internal Tensor ResidualOf(int level) => residuals[level];

    /// <summary>Its address.</summary>
    internal float* ResidualAt => (float*)at[^1];

    /// <summary>Error of the second reconstruction [batch, d_out].</summary>
    internal float* SecondAt => (float*)secondAt;

    /// <summary>Squared error of each token.</summary>
    internal double[] SquaredErrors => squared[^1];

    /// <summary>Decodes tokens and takes their targets off.</summary>
    /// <param name="entries">Their entries.</param>
    /// <param name="start">First token.</param>
    /// <param name="rows">Number of tokens.</param>
    /// <param name="targets">Targets [n, d_out].</param>
    /// <param name="bases">What each reconstruction starts from [n, d_out]; null for b_dec.</param>
    internal void Decode(TileEntries entries, int start, int rows, float* targets, float* bases)
    {
        int entry = 0, width = weights.DOut;
        for (int row = 0; row < rows; row++)
        {
            long offset = (long)(start + row) * width;
            float* target = targets + offset, from = bases == null ? weights.BDecAt : bases + offset;
            int first = entry, end = entries.RowEnds[row];
            for (int level = 0; level < widths.Length; level++)
            {
                int last = entry;
                while (last < end && (level == widths.Length - 1 || entries.Features[last] < widths[level])) last++;
                float* into = (float*)at[level] + offset;
                // A prefix goes on from the one before, whose error is its reconstruction less the target.
                SparseDecode.Row(into, entries.Features + entry, entries.Values + entry, last - entry, weights.DecoderAt, level == 0 ? from : (float*)at[level - 1] + offset, width);
                squared[level][start + row] = level == 0 ? RowKernels.SubtractAndSumSquares(into, target, width) : RowKernels.Dot(into, into, width);
                entry = last;
            }
            if (secondSquared is not null)
            {
                float* into = (float*)secondAt + offset;
                SparseDecode.Row(into, entries.Features + first, entries.Pres + first, end - first, weights.DecoderAt, from, width);
                secondSquared[start + row] = RowKernels.SubtractAndSumSquares(into, target, width);
            }
            entry = end;
        }
    }

    /// <summary>Errors of tokens whose dense reconstructions lie in the residuals already: takes the targets off.</summary>
    internal void Finish(int start, int rows, float* targets, bool ofSecond)
    {
        int width = weights.DOut;
        float* into = ofSecond ? (float*)secondAt : ResidualAt;
        double[] sums = ofSecond ? secondSquared! : squared[^1];
        for (int row = start; row < start + rows; row++) sums[row] = RowKernels.SubtractAndSumSquares(into + ((long)row * width), targets + ((long)row * width), width);
    }

    /// <summary>Sum of squared errors of a nested reconstruction.</summary>
    internal double SquaredError(int level, int rows) => Total(squared[level], rows);

    /// <summary>Sum of squared errors of the second reconstruction.</summary>
    internal double SecondSquaredError(int rows) => secondSquared is null ? 0 : Total(secondSquared, rows);

    /// <summary>
    /// Turns the errors of the prefixes into what the features between them are pulled by: a feature is in its own prefix and
    /// all longer ones. The last level's errors stay as they are.
    /// </summary>
    /// <param name="scales">dL/dx_hat of each level over its error.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="threads">Most workers.</param>
    internal void Accumulate(double[] scales, int rows, int threads)
    {
        if (Levels == 1) return;
        int width = weights.DOut;
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            int count = (end - start) * width;
            for (int level = Levels - 2; level >= 0; level--)
            {
                long offset = (long)start * width;
                float* own = (float*)at[level] + offset, longer = (float*)at[level + 1] + offset;
                RowKernels.Scale(own, own, (float)scales[level], count);
                RowKernels.AddScaled(own, longer, level == Levels - 2 ? (float)scales[^1] : 1, count);
            }
        });
    }

    /// <summary>What a level's features are pulled by, after <see cref="Accumulate"/>, and the factor to it.</summary>
    internal (nint Residual, float Scale) PullOf(int level, double[] scales) => (at[level], level == Levels - 1 ? (float)scales[^1] : 1);

    private static double Total(double[] values, int rows)
    {
        double sum = 0;
        for (int row = 0; row < rows; row++) sum += values[row];
        return sum;
    }

    internal static Tensor NewRows(int rows, int width) => empty(rows, width, dtype: ScalarType.Float32).DetachFromDisposeScope();

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        foreach (Tensor residual in residuals) residual.Dispose();
        second?.Dispose();
    }
}
