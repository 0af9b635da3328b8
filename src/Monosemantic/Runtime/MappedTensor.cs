using System.Collections.Concurrent;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>
/// Tensors over mapped memory. Each has a mapping of its own that lives as long as libtorch holds the memory, whoever closes
/// the file before; writing to such a tensor changes this process's copy of the page and never the file.
/// </summary>
internal static unsafe class MappedTensor
{
    private static readonly ConcurrentDictionary<nint, MemoryMappedViewAccessor> Living = new();

    /// <summary>How many mappings are held by tensors now.</summary>
    internal static int Count => Living.Count;

    /// <summary>Maps a part of a file as a tensor.</summary>
    /// <param name="map">The file.</param>
    /// <param name="offset">First byte, a multiple of the element's size.</param>
    /// <param name="bytes">How many bytes, more than 0.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions, which must come to that many bytes.</param>
    internal static torch.Tensor Over(MemoryMappedFile map, long offset, long bytes, torch.ScalarType type, long[] shape)
    {
        TorchRuntime.Load();
        MemoryMappedViewAccessor view = map.CreateViewAccessor(offset, bytes, MemoryMappedFileAccess.CopyOnWrite);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        nint data = (nint)(start + view.PointerOffset);
        Living[data] = view;
        nint handle;
        fixed (long* dimensions = shape) handle = New(data, &Release, dimensions, shape.Length, (sbyte)type, (sbyte)type, (int)DeviceType.CPU, -1, 0);
        if (handle != 0) return torch.Tensor.UnsafeCreateTensor(handle);
        Unmap(data);
        throw new InvalidOperationException($"libtorch makes no {type} tensor of shape {Printable.Of(shape)} over mapped memory");
    }

    // TorchSharp's own entry point, found through TorchSharp's own library so that both use one copy of libtorch.
    private static readonly delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, void>, long*, int, sbyte, sbyte, int, int, byte, nint> New =
        (delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, void>, long*, int, sbyte, sbyte, int, int, byte, nint>)
        NativeLibrary.GetExport(NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, null), "THSTensor_new");

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(nint data) => Unmap(data);

    private static void Unmap(nint data)
    {
        if (!Living.TryRemove(data, out MemoryMappedViewAccessor? view)) return;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
    }
}
