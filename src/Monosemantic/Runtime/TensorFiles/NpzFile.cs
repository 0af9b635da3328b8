using System.Collections.Immutable;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// A NumPy archive (<c>.npz</c>): a zip of array files, stored or deflated, each a tensor named after its file without
/// <c>.npy</c>. Nothing is unpacked to disk, and an archive that claims to unpack to far more than its own size is refused.
/// </summary>
public sealed class NpzFile : ITensorFile
{
    private const string Ending = ".npy";

    private readonly MappedFile file;
    private readonly ZipContent content;
    private readonly Dictionary<string, (ZipEntry Entry, NpyHeader Header)> arrays = new(StringComparer.Ordinal);

    private NpzFile(MappedFile file, ZipDirectory directory)
    {
        this.file = file;
        content = new ZipContent(file, mayLackChecksums: false);
        var entries = ImmutableArray.CreateBuilder<TensorEntry>();
        foreach (ZipEntry entry in directory.Entries)
        {
            string name = entry.Name.EndsWith(Ending, StringComparison.Ordinal) ? entry.Name[..^Ending.Length] : "";
            if (name.Length == 0) throw Bad($"it holds {Printable.Of(entry.Name)}, which is no array");
            NpyHeader header = ReadHeader(entry);
            arrays.Add(name, (entry, header));
            entries.Add(new TensorEntry(name, header.Element, header.Shape));
        }
        Entries = entries.ToImmutable();
    }

    /// <inheritdoc/>
    public string Path => file.Path;

    /// <inheritdoc/>
    public ImmutableArray<TensorEntry> Entries { get; }

    /// <summary>Opens and checks an archive.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, or holds something else than arrays of numbers.</exception>
    public static NpzFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return Of(file, ZipDirectory.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => arrays.ContainsKey(name);

    /// <inheritdoc/>
    public TensorEntry Entry(string name)
    {
        (_, NpyHeader header) = Find(name);
        return new TensorEntry(name, header.Element, header.Shape);
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name) => Read(name, Find(name).Header.Element.TypeFor(Path, name));

    /// <inheritdoc/>
    public torch.Tensor ReadBits(string name) => Read(name, Find(name).Header.Element.BitsFor(Path, name));

    /// <inheritdoc/>
    public torch.Tensor View(string name)
    {
        (ZipEntry entry, NpyHeader header) = Find(name);
        torch.ScalarType type = header.Element.TypeFor(Path, name);
        long at = entry.DataAt + header.DataStart;
        if (entry.Deflated || header is not { BigEndian: false, Fortran: false, DataLength: > 0 } || at % header.Element.Size != 0) return Read(name);
        content.Verify(entry);
        return file.View(at, type, [.. header.Shape]);
    }

    /// <summary>Closes the file; tensors from it live on.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>An archive whose directory is read already; takes the file over.</summary>
    internal static NpzFile Of(MappedFile file, ZipDirectory directory) => new(file, directory);

    private torch.Tensor Read(string name, torch.ScalarType type)
    {
        (ZipEntry entry, NpyHeader header) = Find(name);
        torch.Tensor stored = NpyNumbers.Allocate(header, type);
        try
        {
            content.CopyTo(entry, header.DataStart, stored);
            return NpyNumbers.Arrange(header, stored);
        }
        catch
        {
            stored.Dispose();
            throw;
        }
    }

    private NpyHeader ReadHeader(ZipEntry entry)
    {
        string where = $"{Path}: {Printable.Of(entry.Name)}";
        int end = NpyHeader.EndOf(content.Head(entry, 12), where);
        NpyHeader header = NpyHeader.Parse(content.Head(entry, end), where);
        if (header.DataStart + header.DataLength != entry.Length) throw Bad($"{Printable.Of(entry.Name)} of shape {Printable.Of(header.Shape)} needs {header.DataLength:N0} bytes, but {entry.Length - header.DataStart:N0} follow its header");
        if (entry.Deflated && entry.Length > content.MostUnpacked) throw content.Damaged(entry, $"it claims {entry.Length:N0} bytes; at most {content.MostUnpacked:N0} are unpacked from a file of this size");
        return header;
    }

    private (ZipEntry Entry, NpyHeader Header) Find(string name) => arrays.TryGetValue(name, out (ZipEntry, NpyHeader) found) ? found : throw TensorEntry.Missing(Path, name, arrays.Keys);

    private UserErrorException Bad(string what) => new($"{file.Path} is not a NumPy archive: {what}", "save it again with numpy.savez, with arrays of numbers only");
}
