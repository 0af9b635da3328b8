using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Monosemantic.Benchmarks;

/// <summary>Reads files from end to end into one buffer: as fast as the system hands bytes over.</summary>
/// <param name="paths">The files.</param>
internal sealed class RawRead(string[] paths)
{
    private readonly byte[] buffer = new byte[1 << 20];

    /// <summary>Reads everything.</summary>
    /// <param name="sum">Whether to add the numbers up as well.</param>
    internal float Run(bool sum)
    {
        float total = 0;
        foreach (string path in paths)
        {
            using SafeFileHandle file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            int read;
            for (long at = 0; (read = RandomAccess.Read(file, buffer, at)) > 0; at += read)
            {
                if (sum) total += TensorPrimitives.Sum(MemoryMarshal.Cast<byte, float>(buffer.AsSpan(0, read)));
            }
        }
        return total;
    }
}
