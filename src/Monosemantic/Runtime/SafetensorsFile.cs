using System.IO.MemoryMappedFiles;
using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>A safetensors file, memory-mapped: opening it reads only the header, and a tensor's bytes are read when asked for.</summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly Dictionary<string, SafetensorsEntry> entries;
    private readonly MemoryMappedFile? map;
    private readonly MemoryMappedViewAccessor? view;
    private readonly byte* data;

    private SafetensorsFile(string path, SafetensorsHeader header, long length)
    {
        Path = path;
        Header = header;
        entries = header.Entries.ToDictionary(entry => entry.Name);
        if (length == header.DataStart) return;
        map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        data = start + view.PointerOffset + header.DataStart;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What the file holds.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing or not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        if (!File.Exists(path)) throw new UserErrorException($"{path} does not exist", "check the path");
        using FileStream stream = File.OpenRead(path);
        SafetensorsHeader header = SafetensorsHeader.Read(stream, path);
        return new SafetensorsFile(path, header, stream.Length);
    }

    /// <summary>Whether the file holds a tensor of that name.</summary>
    /// <param name="name">The tensor's name.</param>
    public bool Contains(string name) => entries.ContainsKey(name);

    /// <summary>Where a tensor lies and what it is.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">The file has no tensor of that name.</exception>
    public SafetensorsEntry Entry(string name) => entries.TryGetValue(name, out SafetensorsEntry? entry)
        ? entry
        : throw new UserErrorException($"{Path} has no tensor named {name}", $"it holds {string.Join(", ", entries.Keys.Take(8))}{(entries.Count > 8 ? ", ..." : "")}");

    /// <summary>A tensor's bytes, straight from the mapping (no copy); valid until this file is disposed. At most 2 GB.</summary>
    /// <param name="name">The tensor's name.</param>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return entry.End == entry.Begin ? [] : new ReadOnlySpan<byte>(data + entry.Begin, checked((int)(entry.End - entry.Begin)));
    }

    /// <summary>Address of a tensor's first byte in the mapping, for tensors over 2 GB; valid until this file is disposed.</summary>
    /// <param name="name">The tensor's name.</param>
    public nint Address(string name) => (nint)(data + Entry(name).Begin);

    /// <summary>Copies a tensor out of the file, in its own element type and shape.</summary>
    /// <param name="name">The tensor's name.</param>
    public torch.Tensor Read(string name)
    {
        SafetensorsEntry entry = Entry(name);
        torch.Tensor tensor = torch.empty([.. entry.Shape], entry.Element.Type);
        if (entry.End > entry.Begin) Buffer.MemoryCopy(data + entry.Begin, TensorMemory.Address(tensor), entry.End - entry.Begin, entry.End - entry.Begin);
        return tensor;
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose()
    {
        view?.SafeMemoryMappedViewHandle.ReleasePointer();
        view?.Dispose();
        map?.Dispose();
    }
}
