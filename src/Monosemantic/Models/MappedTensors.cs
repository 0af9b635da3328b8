using System.Runtime.InteropServices;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>
/// A file mapped into memory as tensors, without a copy: its pages are read when first touched and belong to the system's
/// file cache. Writing to such a tensor changes the process's own page, never the file. The views keep the mapping alive.
/// </summary>
/// <remarks>While a view lives, the file may be replaced by renaming, but must not be shortened in place.</remarks>
internal sealed class MappedTensors(string path) : IDisposable
{
    private readonly Dictionary<torch.ScalarType, torch.Tensor?> wholes = [];

    /// <summary>A tensor that lies in the file, or null where it cannot be mapped: unaligned, or on a system that locks mapped files.</summary>
    /// <param name="type">Its element type.</param>
    /// <param name="offset">Its first byte in the file.</param>
    /// <param name="shape">Its dimensions.</param>
    internal torch.Tensor? View(torch.ScalarType type, long offset, IEnumerable<long> shape)
    {
        long[] dimensions = [.. shape];
        int size = TensorElement.Of(type).Size;
        long count = dimensions.Aggregate(1L, (product, dimension) => product * dimension);
        if (count == 0 || offset % size != 0 || OperatingSystem.IsWindows()) return null;
        if (!wholes.TryGetValue(type, out torch.Tensor? whole)) wholes.Add(type, whole = Map(type, size));
        using var scope = torch.NewDisposeScope();
        return whole?.narrow(0, offset / size, count).view(dimensions).MoveToOuterDisposeScope();
    }

    /// <summary>Lets go of the file; views live on.</summary>
    public void Dispose()
    {
        foreach (torch.Tensor? whole in wholes.Values) whole?.Dispose();
        wholes.Clear();
    }

    // A system that refuses the mapping leaves the ordinary way, by copy.
    private torch.Tensor? Map(torch.ScalarType type, int size)
    {
        try
        {
            return torch.from_file(path, shared: false, size: new FileInfo(path).Length / size, dtype: type).DetachFromDisposeScope();
        }
        catch (ExternalException)
        {
            return null;
        }
    }
}
