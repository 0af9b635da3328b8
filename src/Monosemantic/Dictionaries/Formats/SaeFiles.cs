using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// The files at a path that a user gave: a folder, or a single file. Only names that a format itself knows are looked for,
/// and only inside the folder: nothing that a file says leads to another one.
/// </summary>
internal sealed class SaeFiles
{
    // A path to one of these means the folder that it lies in.
    private static readonly string[] FolderParts =
    [
        SaeStorage.ManifestName, SaeStorage.WeightsName, "cfg.json", "config.json", "hyperparams.json", "sae_weights.safetensors", "ae.pt", "params.npz", "params.safetensors",
    ];

    private SaeFiles(string path, string folder, string? single) => (Path, Folder, Single) = (path, folder, single);

    /// <summary>What the user gave.</summary>
    internal string Path { get; }

    /// <summary>The folder.</summary>
    internal string Folder { get; }

    /// <summary>Name of the file where the path is that of a file which can stand alone; else null.</summary>
    internal string? Single { get; }

    /// <summary>Finds the files.</summary>
    /// <exception cref="UserErrorException">There is nothing at the path.</exception>
    internal static SaeFiles At(string path)
    {
        if (Directory.Exists(path)) return new(path, path, null);
        if (!File.Exists(path)) throw new UserErrorException($"{path} does not exist", "check the path: a folder or a file of a sparse autoencoder is needed");
        string name = System.IO.Path.GetFileName(path), folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        return new(path, folder, FolderParts.Contains(name) ? null : name);
    }

    /// <summary>Whether the folder has a file; never where a single file was given.</summary>
    internal bool Has(string name) => Single is null && File.Exists(System.IO.Path.Combine(Folder, name));

    /// <summary>Path of a file of the folder.</summary>
    /// <exception cref="UserErrorException">It is not there, empty or no plain file, or a link out of the folder that the user did not name.</exception>
    internal string Of(string name)
    {
        string path = System.IO.Path.Combine(Folder, name);
        if (!File.Exists(path)) throw new UserErrorException($"{Folder} has no {name}", "download or copy the whole folder");
        // To open a pipe would wait for someone to write into it.
        if (new FileInfo(path).Length == 0) throw new UserErrorException($"{path} is empty, or a pipe or device and no plain file", "download or copy the file again");
        if (name == Single || FolderLinks.TargetOutside(Folder, name) is not { } target) return path;
        throw new UserErrorException($"{path} is a link that leads out of the folder, to {target}", $"copy the files themselves into a folder first, such as with: cp -rL {Folder} copy");
    }

    /// <summary>Names of the files there are, for errors.</summary>
    internal string Listing()
    {
        string[] names = [.. Directory.EnumerateFileSystemEntries(Folder).Select(entry => Printable.Of(System.IO.Path.GetFileName(entry))).Order(StringComparer.Ordinal).Take(9)];
        return names.Length == 0 ? "nothing" : string.Join(", ", names.Take(8)) + (names.Length > 8 ? ", ..." : "");
    }
}
