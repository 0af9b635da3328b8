using System.IO.MemoryMappedFiles;
using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>
/// A whole file mapped into memory for reading. Every access is checked against its length, and nothing is read before it is
/// asked for, so that a file may be larger than the machine's memory.
/// </summary>
/// <remarks>
/// As with every mapped file, cutting it short while it is open ends the process; the writers here replace files and never
/// cut them.
/// </remarks>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly FileStream stream;
    private readonly MemoryMappedFile? map;
    private readonly MemoryMappedViewAccessor? view;
    private readonly byte* start;
    private bool closed;

    private MappedFile(string path, FileStream stream)
    {
        Path = path;
        this.stream = stream;
        Length = stream.Length;
        if (Length == 0) return;
        map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        byte* address = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref address);
        start = address + view.PointerOffset;
    }

    /// <summary>The file.</summary>
    internal string Path { get; }

    /// <summary>Its length in bytes.</summary>
    internal long Length { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, a folder, a pipe, or may not be read.</exception>
    internal static MappedFile Open(string path)
    {
        FileStream? stream = null;
        try
        {
            if (OperatingSystem.IsLinux() && Libc.IsPipe(path)) throw new UserErrorException($"{path} is a pipe or a device, not a file", "copy its content to a file first");
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            if (!stream.CanSeek) throw new UserErrorException($"{path} is a pipe or a device, not a file", "copy its content to a file first");
            return new MappedFile(path, stream);
        }
        catch (Exception failure)
        {
            stream?.Dispose();
            if (Explain(failure, path) is { } explained) throw explained;
            throw;
        }
    }

    /// <summary>Bytes of the file, valid until it is closed.</summary>
    /// <param name="offset">The first one.</param>
    /// <param name="length">How many.</param>
    internal ReadOnlySpan<byte> Span(long offset, int length) => new(At(offset, length), length);

    /// <summary>The file's last bytes, or all of them.</summary>
    /// <param name="most">How many at most.</param>
    internal ReadOnlySpan<byte> Tail(int most)
    {
        int length = (int)Math.Min(Length, most);
        return Span(Length - length, length);
    }

    /// <summary>The file's first bytes, or all of them.</summary>
    /// <param name="most">How many at most.</param>
    internal ReadOnlySpan<byte> Head(int most) => Span(0, (int)Math.Min(Length, most));

    /// <summary>Address of a byte, valid until the file is closed.</summary>
    /// <param name="offset">Which byte.</param>
    /// <param name="length">How many from there on will be used; all of them must lie in the file.</param>
    internal byte* At(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(closed, this);
        if (offset < 0 || length < 0 || offset > Length - length) throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes from there are not in the {Length} of {Path}");
        return start + offset;
    }

    /// <summary>A part of the file as a stream, valid until the file is closed.</summary>
    /// <param name="offset">Its first byte.</param>
    /// <param name="length">Its length.</param>
    internal UnmanagedMemoryStream Stream(long offset, long length) => new(At(offset, length), length, length, FileAccess.Read);

    /// <summary>Copies bytes out of the file into a tensor of the same size.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="tensor">A contiguous CPU tensor of any shape; all of it is filled.</param>
    internal void CopyTo(long offset, torch.Tensor tensor)
    {
        long bytes = tensor.numel() * tensor.element_size();
        if (bytes > 0) Buffer.MemoryCopy(At(offset, bytes), TensorMemory.Address(tensor), bytes, bytes);
    }

    /// <summary>A tensor over bytes of the file, without a copy; it keeps its own mapping and outlives this object.</summary>
    /// <param name="offset">The first byte, a multiple of the element's size.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions; at least one element.</param>
    internal torch.Tensor View(long offset, torch.ScalarType type, long[] shape)
    {
        long bytes = shape.Aggregate((long)type.ElementSize(), (product, dimension) => checked(product * dimension));
        _ = At(offset, bytes);
        return MappedTensor.Over(map!, offset, bytes, type, shape);
    }

    /// <summary>Unmaps the file; tensors from <see cref="View"/> live on.</summary>
    public void Dispose()
    {
        if (closed) return;
        closed = true;
        view?.SafeMemoryMappedViewHandle.ReleasePointer();
        view?.Dispose();
        map?.Dispose();
        stream.Dispose();
    }

    private static UserErrorException? Explain(Exception failure, string path) => failure switch
    {
        UserErrorException => null,
        FileNotFoundException or DirectoryNotFoundException => new($"{path} does not exist", "check the path", failure),
        UnauthorizedAccessException when Directory.Exists(path) => new($"{path} is a folder, not a file", "name the file inside it", failure),
        UnauthorizedAccessException => new($"{path} cannot be read: permission denied", "change its permissions, or copy it", failure),
        ArgumentException or NotSupportedException => new($"'{Printable.Of(path)}' is not a path of a file", "check the path", failure),
        IOException io => new($"{path} cannot be read: {io.Message}", "check the disk and the file's permissions", failure),
        _ => null,
    };
}
