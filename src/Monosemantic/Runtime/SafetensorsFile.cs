using System.Collections.Immutable;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>A safetensors file, memory-mapped: opening it reads only the header, and a tensor's bytes are read when asked for.</summary>
public sealed unsafe class SafetensorsFile : ITensorFile
{
    private readonly Dictionary<string, SafetensorsEntry> entries;
    private readonly MappedFile file;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
    {
        this.file = file;
        Header = header;
        entries = header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
    }

    /// <summary>The file.</summary>
    public string Path => file.Path;

    /// <summary>What the file holds.</summary>
    public SafetensorsHeader Header { get; }

    /// <inheritdoc/>
    public ImmutableArray<TensorEntry> Entries => [.. Header.Entries.Select(Described)];

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing or not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new SafetensorsFile(file, SafetensorsHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether the file holds a tensor of that name.</summary>
    /// <param name="name">The tensor's name.</param>
    public bool Contains(string name) => entries.ContainsKey(name);

    /// <summary>Where a tensor lies and what it is.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">The file has no tensor of that name.</exception>
    public SafetensorsEntry Entry(string name) => entries.TryGetValue(name, out SafetensorsEntry? entry) ? entry : throw TensorEntry.Missing(Path, name, entries.Keys);

    TensorEntry ITensorFile.Entry(string name) => Described(Entry(name));

    /// <summary>A tensor's bytes, straight from the mapping (no copy); valid until this file is disposed. At most 2 GB.</summary>
    /// <param name="name">The tensor's name.</param>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return entry.End == entry.Begin ? [] : file.Span(At(entry), checked((int)(entry.End - entry.Begin)));
    }

    /// <summary>Address of a tensor's first byte in the mapping, for tensors over 2 GB; valid until this file is disposed.</summary>
    /// <param name="name">The tensor's name.</param>
    public nint Address(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return (nint)file.At(At(entry), entry.End - entry.Begin);
    }

    /// <summary>Copies a tensor out of the file, in its own element type and shape.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">The file has no such tensor, or it is of a type that is not read.</exception>
    public torch.Tensor Read(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return Copy(At(entry), entry.Element.TypeFor(Path, name), [.. entry.Shape]);
    }

    /// <inheritdoc/>
    public torch.Tensor ReadBits(string name)
    {
        SafetensorsEntry entry = Entry(name);
        return Copy(At(entry), entry.Element.BitsFor(Path, name), [.. entry.Shape]);
    }

    /// <summary>Copies some rows of a tensor out of the file: indices of its first dimension. Nothing else of it is read.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many rows.</param>
    /// <returns>A tensor [count, ..] in the tensor's own element type.</returns>
    public torch.Tensor ReadRows(string name, long first, long count)
    {
        SafetensorsEntry entry = Entry(name);
        torch.ScalarType type = entry.Element.TypeFor(Path, name);
        long rows = entry.Shape.Length == 0 ? 0 : entry.Shape[0];
        if (first < 0 || count < 0 || first > rows - count) throw new ArgumentOutOfRangeException(nameof(first), first, $"{count} rows from there are not in the {rows} of {name}");
        long rowBytes = rows == 0 ? 0 : (entry.End - entry.Begin) / rows;
        return Copy(At(entry) + first * rowBytes, type, [count, .. entry.Shape.Skip(1)]);
    }

    /// <inheritdoc/>
    public torch.Tensor View(string name)
    {
        SafetensorsEntry entry = Entry(name);
        torch.ScalarType type = entry.Element.TypeFor(Path, name);
        bool mappable = entry.End > entry.Begin && At(entry) % entry.Element.Size == 0;
        return mappable ? file.View(At(entry), type, [.. entry.Shape]) : Copy(At(entry), type, [.. entry.Shape]);
    }

    /// <summary>Unmaps the file. Tensors from <see cref="Read"/> and <see cref="View"/> live on.</summary>
    public void Dispose() => file.Dispose();

    private long At(SafetensorsEntry entry) => Header.DataStart + entry.Begin;

    private torch.Tensor Copy(long offset, torch.ScalarType type, long[] shape)
    {
        torch.Tensor tensor = torch.empty(shape, type);
        file.CopyTo(offset, tensor);
        return tensor;
    }

    private static TensorEntry Described(SafetensorsEntry entry) => new(entry.Name, entry.Element, entry.Shape);
}
