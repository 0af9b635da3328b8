using System.Collections.Immutable;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>A NumPy array file (<c>.npy</c>, versions 1 to 3): one tensor, called <c>array</c>, as the file itself names none.</summary>
public sealed class NpyFile : ITensorFile
{
    /// <summary>The name that the one tensor goes by.</summary>
    public const string TensorName = "array";

    private readonly MappedFile file;
    private readonly NpyHeader header;

    private NpyFile(MappedFile file)
    {
        this.file = file;
        header = NpyHeader.Parse(file.Head(NpyHeader.MaxLength), file.Path);
        long bytes = file.Length - header.DataStart;
        if (bytes != header.DataLength) throw NpyHeader.Bad(file.Path, $"its shape {Printable.Of(header.Shape)} of {header.Element.Name} needs {header.DataLength:N0} bytes, but {bytes:N0} follow the header");
        Entries = [new TensorEntry(TensorName, header.Element, header.Shape)];
    }

    /// <inheritdoc/>
    public string Path => file.Path;

    /// <inheritdoc/>
    public ImmutableArray<TensorEntry> Entries { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, or holds something else than numbers.</exception>
    public static NpyFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new NpyFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => name == TensorName;

    /// <inheritdoc/>
    public TensorEntry Entry(string name) => Contains(name) ? Entries[0] : throw TensorEntry.Missing(Path, name, [TensorName]);

    /// <inheritdoc/>
    public torch.Tensor Read(string name) => Read(Entry(name).Element.TypeFor(Path, name));

    /// <inheritdoc/>
    public torch.Tensor ReadBits(string name) => Read(Entry(name).Element.BitsFor(Path, name));

    /// <inheritdoc/>
    public torch.Tensor View(string name)
    {
        torch.ScalarType type = Entry(name).Element.TypeFor(Path, name);
        bool asInMemory = header is { BigEndian: false, Fortran: false, DataLength: > 0 } && header.DataStart % header.Element.Size == 0;
        return asInMemory ? file.View(header.DataStart, type, [.. header.Shape]) : Read(name);
    }

    /// <summary>Closes the file; tensors from it live on.</summary>
    public void Dispose() => file.Dispose();

    private torch.Tensor Read(torch.ScalarType type)
    {
        torch.Tensor stored = NpyNumbers.Allocate(header, type);
        file.CopyTo(header.DataStart, stored);
        return NpyNumbers.Arrange(header, stored);
    }
}
