using Monosemantic.Dictionaries;

namespace Monosemantic.Training;

/// <summary>
/// Gradients of matching pursuit. With r_0 the centred input, v_t = ReLU(r_(t-1) . d_t) the part of the feature taken in round
/// t and r_t = r_(t-1) - v_t d_t, the reconstruction is sum v_t d_t + b_dec. Going back from rho_T = 0, with g = dL/dx_hat:
/// dL/dv_t = (g - rho_t) . d_t, dL/dd_t gains v_t (g - rho_t) + dL/dv_t r_(t-1), and rho_(t-1) = rho_t + dL/dv_t d_t.
/// Tokens go in chunks, in which first each round's part is computed and then summed feature by feature.
/// </summary>
internal sealed unsafe class PursuitPass(SaeWeights weights, SaeWeights gradients, int threads)
{
    private const int TokensToAChunk = 256, RowsToARange = 16, FeaturesToARange = 64;

    /// <summary>Adds the decoder's gradients; they must be zero at first.</summary>
    /// <param name="traces">What was done to each token.</param>
    /// <param name="centred">Centred inputs [n, d].</param>
    /// <param name="residual">x_hat - x [n, d].</param>
    /// <param name="scale">dL/dx_hat over that.</param>
    /// <param name="touched">Set for features that were taken.</param>
    /// <returns>Gradient by the centred inputs, summed over tokens [d].</returns>
    internal double[] Run(PursuitTrace[] traces, float* centred, float* residual, float scale, bool[] touched)
    {
        var total = new double[weights.DIn];
        nint centredAt = (nint)centred, residualAt = (nint)residual;
        for (int start = 0; start < traces.Length; start += TokensToAChunk)
        {
            int rows = Math.Min(TokensToAChunk, traces.Length - start), width = weights.DOut;
            int[] offsets = new int[rows + 1];
            for (int row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + traces[start + row].Features.Count;
            float[] parts = new float[(long)offsets[rows] * width], through = new float[(long)rows * width];
            int first = start;
            ParallelRanges.For(rows, RowsToARange, threads, (from, to) =>
            {
                for (int row = from; row < to; row++)
                {
                    long at = (long)(first + row) * width;
                    OfToken(traces[first + row], (float*)centredAt + at, (float*)residualAt + at, scale, parts.AsSpan(offsets[row] * width), through.AsSpan(row * width, width));
                }
            });
            Gather(traces, start, rows, parts, touched);
            for (int i = 0; i < through.Length; i++) total[i % width] += through[i];
        }
        return total;
    }

    private void OfToken(PursuitTrace trace, float* input, float* residual, float scale, Span<float> parts, Span<float> rho)
    {
        int rounds = trace.Features.Count, width = weights.DOut;
        float* rest = stackalloc float[width], pull = stackalloc float[width];
        new ReadOnlySpan<float>(input, width).CopyTo(new Span<float>(rest, width));
        for (int t = 0; t < rounds; t++) RowKernels.AddScaled(rest, Direction(trace, t), -trace.Values[t], width);
        fixed (float* rhoAt = rho, partsAt = parts)
        {
            for (int t = rounds - 1; t >= 0; t--)
            {
                float* direction = Direction(trace, t), part = partsAt + ((long)t * width);
                RowKernels.Scale(pull, residual, scale, width);
                RowKernels.Subtract(pull, pull, rhoAt, width);
                float byValue = RowKernels.Dot(pull, direction, width);
                RowKernels.AddScaled(rest, direction, trace.Values[t], width);
                RowKernels.Scale(part, pull, trace.Values[t], width);
                RowKernels.AddScaled(part, rest, byValue, width);
                RowKernels.AddScaled(rhoAt, direction, byValue, width);
            }
        }
    }

    private void Gather(PursuitTrace[] traces, int start, int rows, float[] parts, bool[] touched)
    {
        int[] taken = [.. Enumerable.Range(start, rows).SelectMany(row => traces[row].Features)];
        // A stable order: equal features by their place, so that sums have the same bits each time.
        int[] order = [.. Enumerable.Range(0, taken.Length).OrderBy(place => taken[place])];
        ParallelRanges.For(weights.DSae, FeaturesToARange, threads, (from, to) =>
        {
            int width = weights.DOut, at = LowerBound(order, taken, from);
            fixed (float* partsAt = parts)
            {
                for (; at < order.Length && taken[order[at]] < to; at++)
                {
                    int feature = taken[order[at]];
                    touched[feature] = true;
                    RowKernels.AddScaled(gradients.DecoderAt + ((long)feature * width), partsAt + ((long)order[at] * width), 1, width);
                }
            }
        });
    }

    private static int LowerBound(int[] order, int[] taken, int feature)
    {
        int low = 0, high = order.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (taken[order[middle]] < feature) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private float* Direction(PursuitTrace trace, int round) => weights.DecoderAt + ((long)trace.Features[round] * weights.DOut);
}
