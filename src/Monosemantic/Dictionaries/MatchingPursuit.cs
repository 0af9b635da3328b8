using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>What a pursuit did to one token: the features it took, in order, each with what was subtracted of it.</summary>
/// <param name="Features">Features, possibly with repeats.</param>
/// <param name="Values">(residual . W_dec[feature]), rectified.</param>
internal sealed record PursuitTrace(List<int> Features, List<float> Values);

/// <summary>
/// Encoding by matching pursuit (Costa et al. 2025; SAELens): from the residual, at first x - b_dec, take the feature whose
/// decoder row it is most along, subtract its part, and go on until the support stays the same, the residual is short, or
/// enough rounds were made. Each round costs one product of the tokens that go on with the whole dictionary.
/// </summary>
internal static unsafe class MatchingPursuit
{
    private const int RowsToATile = 256;

    /// <summary>Fills the builder with the codes of all rows.</summary>
    /// <param name="centred">Centred inputs [n, d]; left as they are.</param>
    /// <param name="weights">Tied weights.</param>
    /// <param name="rounds">Most rounds; 0 for d.</param>
    /// <param name="residualThreshold">Length of the residual at which a token is done; 0 for never.</param>
    /// <param name="threads">Most workers at a time.</param>
    /// <param name="into">Receives the entries.</param>
    /// <param name="traces">Receives what was done to each token [n], for gradients; null where that is not wanted.</param>
    internal static void Encode(Tensor centred, SaeWeights weights, int rounds, double residualThreshold, int threads, CodeBuilder into, PursuitTrace[]? traces = null)
    {
        int n = (int)centred.shape[0];
        into.Begin(n, RowsToATile);
        ParallelRanges.For(n, RowsToATile, threads, (start, end) =>
        {
            using DisposeScope scope = NewDisposeScope();
            using ProductThreads.Lease single = ProductThreads.Single();
            Tensor residual = centred.narrow(0, start, end - start).clone();
            PursuitTrace[] tile = Run(residual, weights, rounds > 0 ? rounds : weights.DOut, residualThreshold);
            TileEntries entries = into.TileAt(start);
            for (int row = 0; row < tile.Length; row++)
            {
                Merge(tile[row], entries);
                if (traces is not null) traces[start + row] = tile[row];
            }
        });
    }

    private static PursuitTrace[] Run(Tensor residual, SaeWeights weights, int rounds, double threshold)
    {
        int rows = (int)residual.shape[0], width = weights.DOut;
        float* at = (float*)TensorMemory.Address(residual);
        PursuitTrace[] traces = [.. Enumerable.Range(0, rows).Select(_ => new PursuitTrace([], []))];
        int[] active = [.. Enumerable.Range(0, rows)];
        for (int round = 0; round < rounds && active.Length > 0; round++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor left = active.Length == rows ? residual : residual.index_select(0, tensor(Array.ConvertAll(active, row => (long)row)));
            Tensor product = left.mm(weights.Decoder.t());
            float* products = (float*)TensorMemory.Address(product);
            var next = new List<int>(active.Length);
            for (int i = 0; i < active.Length; i++)
            {
                int row = active[i];
                if (!Take(products + ((long)i * weights.DSae), at + ((long)row * width), weights, traces[row])) continue;
                float* rest = at + ((long)row * width);
                if (threshold <= 0 || MathF.Sqrt(RowKernels.Dot(rest, rest, width)) >= threshold) next.Add(row);
            }
            active = [.. next];
        }
        return traces;
    }

    // Takes one feature; false where the support has not changed.
    private static bool Take(float* products, float* residual, SaeWeights weights, PursuitTrace trace)
    {
        int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(new ReadOnlySpan<float>(products, weights.DSae));
        float* direction = weights.DecoderAt + ((long)best * weights.DOut);
        float value = RowKernels.Dot(residual, direction, weights.DOut);
        if (!(value > 0)) return false;
        bool isNew = !trace.Features.Contains(best);
        trace.Features.Add(best);
        trace.Values.Add(value);
        RowKernels.AddScaled(residual, direction, -value, weights.DOut);
        return isNew;
    }

    private static void Merge(PursuitTrace trace, TileEntries entries)
    {
        entries.Reserve(trace.Features.Count);
        foreach (IGrouping<int, float> feature in trace.Features.Zip(trace.Values).GroupBy(pair => pair.First, pair => pair.Second).OrderBy(group => group.Key)) entries.Add(feature.Key, feature.Sum());
        entries.EndRow();
    }
}
