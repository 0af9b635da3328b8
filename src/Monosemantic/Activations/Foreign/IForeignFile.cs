using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;

namespace Monosemantic.Activations.Foreign;

/// <summary>What activations in a foreign file look like.</summary>
/// <param name="Rows">Number of rows n, padding included.</param>
/// <param name="DModel">Width of a row, heads flattened.</param>
/// <param name="DocumentRows">Rows of each document, where the file is laid out by documents; else null.</param>
/// <param name="Heads">The heads in a row; null where it has none.</param>
/// <param name="Dtype">How the file keeps them.</param>
internal sealed record ForeignShape(long Rows, int DModel, int? DocumentRows, HeadStructure? Heads, StoreDtype Dtype);

/// <summary>A file of another tool that holds activations, or ids that belong to some. Read from front to back, a part at a time.</summary>
internal interface IForeignFile : IDisposable
{
    /// <summary>The file.</summary>
    string Path { get; }

    /// <summary>Names of what may be activations.</summary>
    ImmutableArray<string> Activations { get; }

    /// <summary>Names of what may be ids: whole numbers.</summary>
    ImmutableArray<string> Ids { get; }

    /// <summary>What activations look like.</summary>
    /// <param name="activations">One of <see cref="Activations"/>, or another name for an error that says why not.</param>
    /// <param name="heads">Whether the last two dimensions are heads.</param>
    /// <exception cref="UserErrorException">They are not rows of numbers.</exception>
    ForeignShape ShapeOf(string activations, bool heads);

    /// <summary>How many ids there are.</summary>
    /// <param name="ids">One of <see cref="Ids"/>.</param>
    long CountOf(string ids);

    /// <summary>Reads consecutive rows.</summary>
    /// <param name="activations">What to read.</param>
    /// <param name="first">The first row.</param>
    /// <param name="rows">Where they go [n, d_model]; its length says how many.</param>
    /// <exception cref="UserErrorException">The file is damaged, or has a row of another width.</exception>
    void ReadRows(string activations, long first, Span<float> rows);

    /// <summary>Reads consecutive ids; -1 where one is missing.</summary>
    /// <param name="ids">What to read.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="values">Where they go; its length says how many.</param>
    /// <exception cref="UserErrorException">The file is damaged.</exception>
    void ReadIds(string ids, long first, Span<long> values);
}

/// <summary>Opens foreign files, told apart by their content.</summary>
internal static class ForeignFile
{
    private static readonly string[] Endings = [".safetensors", ".npy", ".npz", ".parquet", ".pt", ".pth"];

    /// <summary>Opens one file.</summary>
    /// <exception cref="UserErrorException">It is missing, of another kind, or damaged.</exception>
    public static IForeignFile Open(string path)
    {
        using (MappedFile file = MappedFile.Open(path))
        {
            if (file.Head(4).SequenceEqual("PAR1"u8)) return ParquetColumns.Open(path);
        }
        return new TensorColumns(TensorFile.Open(path));
    }

    /// <summary>The files that some paths stand for.</summary>
    /// <exception cref="UserErrorException">A folder holds none.</exception>
    public static ImmutableArray<string> Expand(IEnumerable<string> paths) => [.. paths.SelectMany(FilesAt)];

    private static string[] FilesAt(string path)
    {
        if (!Directory.Exists(path)) return [path];
        if (File.Exists(System.IO.Path.Combine(path, StoreFolder.ManifestName))) throw new UserErrorException($"{path} is an activation store already", "use it as it is; `monosemantic store merge` puts several together");
        string[] files = [.. Directory.EnumerateFiles(path).Where(file => Endings.Contains(System.IO.Path.GetExtension(file), StringComparer.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new UserErrorException($"{path} holds no file that ends in {string.Join(", ", Endings)}", "name the files themselves");
    }
}
