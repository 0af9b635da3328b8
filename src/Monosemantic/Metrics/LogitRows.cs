using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Metrics;

/// <summary>What one row of logits says, or the difference of two: computed a row at a time while it is in the cache.</summary>
/// <param name="Loss">-ln p(target), nats.</param>
/// <param name="Likeliest">The token of the largest logit.</param>
/// <param name="Kl">KL(reference || this), nats; 0 without a reference.</param>
internal readonly record struct LogitRow(double Loss, int Likeliest, double Kl);

/// <summary>Losses, likeliest tokens and KL divergences from logits, for the rows that count alone.</summary>
internal static unsafe class LogitRows
{
    private const int RowsToARange = 16;

    /// <summary>Reads logits.</summary>
    /// <param name="logits">[.., vocabulary] float32.</param>
    /// <param name="rows">The rows that count.</param>
    /// <param name="targets">The token that came next, for each of them.</param>
    /// <param name="reference">Logits to compare with, of the same width; null for none.</param>
    /// <param name="referenceRows">Their rows to compare with; null for the same rows.</param>
    internal static LogitRow[] Of(torch.Tensor logits, int[] rows, int[] targets, torch.Tensor? reference = null, int[]? referenceRows = null)
    {
        int width = (int)logits.shape[^1];
        nint at = (nint)TensorMemory.Address(logits), other = reference is null ? 0 : (nint)TensorMemory.Address(reference);
        var results = new LogitRow[rows.Length];
        Parallel.For(0, (rows.Length + RowsToARange - 1) / RowsToARange, range =>
        {
            float[] scratch = new float[width];
            for (int i = range * RowsToARange; i < Math.Min(rows.Length, (range + 1) * RowsToARange); i++)
            {
                var row = new ReadOnlySpan<float>((float*)at + ((long)rows[i] * width), width);
                var compared = other == 0 ? default : new ReadOnlySpan<float>((float*)other + ((long)(referenceRows ?? rows)[i] * width), width);
                results[i] = Of(row, targets[i], compared, scratch);
            }
        });
        return results;
    }

    private static LogitRow Of(ReadOnlySpan<float> row, int target, ReadOnlySpan<float> reference, float[] scratch)
    {
        int likeliest = TensorPrimitives.IndexOfMax(row);
        double logSum = LogSumExp(row, row[likeliest], scratch);
        if (reference.IsEmpty) return new(logSum - row[target], likeliest, 0);
        double referenceLogSum = LogSumExp(reference, TensorPrimitives.Max(reference), scratch);
        // sum p (ln p - ln q), with ln p = a - A and ln q = b - B, is sum p (a - b) - A + B.
        double kl = (WeightedDifference(scratch, reference, row) / Sum(scratch)) - referenceLogSum + logSum;
        return new(logSum - row[target], likeliest, kl);
    }

    // Leaves exp(x - max) in the scratch.
    private static double LogSumExp(ReadOnlySpan<float> row, float max, float[] scratch)
    {
        TensorPrimitives.Subtract(row, max, scratch);
        TensorPrimitives.Exp(scratch, scratch);
        return max + Math.Log(Sum(scratch));
    }

    private static double Sum(ReadOnlySpan<float> values)
    {
        Vector256<double> sum = default;
        int i = 0;
        for (; i <= values.Length - 8; i += 8)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(values[i..]));
            sum += low + high;
        }
        double total = Vector256.Sum(sum);
        for (; i < values.Length; i++) total += values[i];
        return total;
    }

    private static double WeightedDifference(ReadOnlySpan<float> weights, ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector256<double> sum = default;
        ref float w = ref MemoryMarshal.GetReference(weights), p = ref MemoryMarshal.GetReference(a), q = ref MemoryMarshal.GetReference(b);
        int i = 0;
        for (; i <= weights.Length - 8; i += 8)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.LoadUnsafe(ref p, (nuint)i) - Vector256.LoadUnsafe(ref q, (nuint)i));
            (Vector256<double> weightLow, Vector256<double> weightHigh) = Vector256.Widen(Vector256.LoadUnsafe(ref w, (nuint)i));
            sum += (low * weightLow) + (high * weightHigh);
        }
        double total = Vector256.Sum(sum);
        for (; i < weights.Length; i++) total += (double)weights[i] * (a[i] - b[i]);
        return total;
    }
}
