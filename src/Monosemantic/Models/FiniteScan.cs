using System.Numerics;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Looks for NaN and infinite numbers in one pass over a tensor's memory, without a copy.</summary>
internal static unsafe class FiniteScan
{
    private const int Chunk = 1 << 18;

    /// <summary>How many elements are NaN or infinite.</summary>
    /// <param name="tensor">A contiguous float32 tensor on the CPU.</param>
    internal static long CountNotFinite(torch.Tensor tensor)
    {
        long count = tensor.numel(), chunks = (count + Chunk - 1) / Chunk, found = 0;
        nint address = (nint)TensorMemory.Address(tensor);
        Parallel.For(0L, chunks, new ParallelOptions { MaxDegreeOfParallelism = torch.get_num_threads() }, chunk =>
        {
            var values = new ReadOnlySpan<float>((float*)address + (chunk * Chunk), (int)Math.Min(Chunk, count - (chunk * Chunk)));
            if (!AllFinite(values)) Interlocked.Add(ref found, values.ToArray().LongCount(value => !float.IsFinite(value)));
        });
        return found;
    }

    // x * 0 is 0 for finite numbers and NaN for all others, and a sum keeps NaN.
    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        Vector<float> sum = Vector<float>.Zero;
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count) sum += new Vector<float>(values[i..]) * Vector<float>.Zero;
        float rest = Vector.Sum(sum);
        for (; i < values.Length; i++) rest += values[i] * 0;
        return rest == 0;
    }
}
