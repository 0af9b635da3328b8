using System.Collections.Immutable;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// The weights of a model's folder as one set of tensors, in whichever of these forms they are there, the first one found:
/// <c>model.safetensors</c>; its shards with <c>model.safetensors.index.json</c>; <c>pytorch_model.bin</c>; its shards with
/// <c>pytorch_model.bin.index.json</c>.
/// </summary>
/// <remarks>
/// The index decides which tensor is read from where, and index and shards must agree in every tensor. Shards are files in
/// the folder itself: a name with a path in it, or a link that leads out of the folder, is refused.
/// </remarks>
public sealed class TensorFolder : ITensorFile
{
    private const string IndexEnding = ".index.json";

    private static readonly string[] Forms = ["model.safetensors", "pytorch_model.bin"];

    // What other frameworks save beside a config.json.
    private static readonly string[] Others = ["tf_model.h5", "flax_model.msgpack"];

    private readonly Dictionary<string, ITensorFile> places;
    private readonly List<ITensorFile> files;

    private TensorFolder(string path, List<ITensorFile> files, IEnumerable<KeyValuePair<string, ITensorFile>> tensors, double? totalSize = null)
    {
        TotalSize = totalSize;
        Path = path;
        this.files = files;
        places = new Dictionary<string, ITensorFile>(tensors, StringComparer.Ordinal);
        Entries = [.. files.SelectMany(file => file.Entries)];
    }

    /// <summary>The file that holds all tensors, or the index of several.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public ImmutableArray<TensorEntry> Entries { get; }

    /// <summary>The files that hold the tensors.</summary>
    public IEnumerable<string> Files => files.Select(file => file.Path);

    /// <summary>Bytes of all tensors as the index has them; null where there is none or it does not say.</summary>
    internal double? TotalSize { get; }

    /// <summary>Opens and checks the weights of a folder.</summary>
    /// <param name="directory">The folder.</param>
    /// <exception cref="UserErrorException">It holds no weights, a shard or a tensor is missing, or a file is damaged.</exception>
    public static TensorFolder Open(string directory)
    {
        if (!Directory.Exists(directory)) throw new UserErrorException(File.Exists(directory) ? $"{directory} is a file, not a folder" : $"{directory} does not exist", "name the model's folder");
        foreach (string form in Forms)
        {
            string whole = System.IO.Path.Combine(directory, form), index = whole + IndexEnding;
            if (File.Exists(whole)) return OfOne(whole);
            if (File.Exists(index)) return OfShards(directory, ShardIndex.Read(index));
        }
        string[] others = [.. Others.Where(name => File.Exists(System.IO.Path.Combine(directory, name)))];
        throw new UserErrorException(
            $"{directory} holds no weights that are read here: none of {string.Join(", ", Forms.SelectMany(form => new[] { form, form + IndexEnding }))} is there{(others.Length > 0 ? $", only {string.Join(", ", others)}" : "")}",
            others.Length > 0 ? "convert the weights to safetensors with the library that wrote them" : "check the path; a model's folder has config.json and one of these files");
    }

    /// <inheritdoc/>
    public bool Contains(string name) => places.ContainsKey(name);

    /// <inheritdoc/>
    public TensorEntry Entry(string name) => Place(name).Entry(name);

    /// <summary>The file that holds a tensor.</summary>
    /// <param name="name">The tensor's name.</param>
    internal string FileOf(string name) => Place(name).Path;

    /// <inheritdoc/>
    public torch.Tensor Read(string name) => Place(name).Read(name);

    /// <inheritdoc/>
    public torch.Tensor View(string name) => Place(name).View(name);

    /// <summary>Closes all files; tensors from them live on.</summary>
    public void Dispose()
    {
        foreach (ITensorFile file in files) file.Dispose();
    }

    private static TensorFolder OfOne(string path)
    {
        ITensorFile file = OpenShard(path);
        return new TensorFolder(path, [file], file.Entries.Select(entry => KeyValuePair.Create(entry.Name, file)));
    }

    private static TensorFolder OfShards(string directory, ShardIndex index)
    {
        string[] names = [.. index.Files.Select(pair => pair.Value).Distinct()];
        string[] missing = [.. names.Where(name => !File.Exists(System.IO.Path.Combine(directory, name)))];
        if (missing.Length > 0) throw new UserErrorException($"{index.Path} names {missing.Length} files that are not there: {string.Join(", ", missing.Take(5).Select(Printable.Of))}{(missing.Length > 5 ? ", ..." : "")}", "copy or download the missing files into the folder");
        var shards = new Dictionary<string, ITensorFile>(StringComparer.Ordinal);
        try
        {
            foreach (string name in names)
            {
                CheckLink(directory, name, index.Path);
                shards.Add(name, OpenShard(System.IO.Path.Combine(directory, name)));
            }
            CheckAgreement(index, shards);
            return new TensorFolder(index.Path, [.. shards.Values], index.Files.Select(pair => KeyValuePair.Create(pair.Key, shards[pair.Value])), index.TotalSize);
        }
        catch
        {
            foreach (ITensorFile shard in shards.Values) shard.Dispose();
            throw;
        }
    }

    private static ITensorFile OpenShard(string path) => path.EndsWith(".safetensors", StringComparison.Ordinal) ? SafetensorsFile.Open(path) : TorchFile.Open(path);

    // Nothing that a downloaded file says may make this tool read elsewhere on the disk.
    private static void CheckLink(string directory, string name, string index)
    {
        if (FolderLinks.TargetOutside(directory, name) is { } target) throw new UserErrorException($"{index} names {Printable.Of(name)}, a link that leads out of the folder to {target}", $"copy the files themselves into a folder first, such as with: cp -rL {directory} copy");
    }

    private static void CheckAgreement(ShardIndex index, Dictionary<string, ITensorFile> shards)
    {
        var indexed = new Dictionary<string, string>(index.Files, StringComparer.Ordinal);
        string[] absent = [.. index.Files.Where(pair => !shards[pair.Value].Contains(pair.Key)).Select(pair => $"{Printable.Of(pair.Key)} in {Printable.Of(pair.Value)}")];
        if (absent.Length > 0) throw Bad(index, $"{absent.Length} tensors are not in the file that it names for them", absent);
        string[] further = [.. shards.SelectMany(shard => shard.Value.Entries.Where(entry => indexed.GetValueOrDefault(entry.Name) != shard.Key).Select(entry => $"{Printable.Of(entry.Name)} in {Printable.Of(shard.Key)}"))];
        if (further.Length > 0) throw Bad(index, $"{further.Length} tensors are in files that it does not name for them", further);
    }

    private static UserErrorException Bad(ShardIndex index, string what, string[] tensors) => new(
        $"{index.Path} and its files do not agree: {what}: {string.Join(", ", tensors.Take(5))}{(tensors.Length > 5 ? ", ..." : "")}", "the files are of different versions; copy or download the whole folder again");

    private ITensorFile Place(string name) => places.TryGetValue(name, out ITensorFile? file) ? file : throw TensorEntry.Missing(Path, name, places.Keys);
}
