using System.Text.Json;
using System.Text.Unicode;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>The index of a model whose tensors lie in several files: which tensor is in which.</summary>
/// <param name="Path">The index file.</param>
/// <param name="Files">The tensors' files by the tensors' names, in the index's order; plain names of files in the same folder.</param>
/// <param name="TotalSize">Bytes of all tensors as the index has them; null where it does not say.</param>
internal sealed record ShardIndex(string Path, IReadOnlyList<KeyValuePair<string, string>> Files, double? TotalSize)
{
    private const int MaxBytes = 64 << 20, MaxTensors = 200_000;

    /// <summary>Reads and checks an index.</summary>
    /// <param name="path">The file, such as <c>model.safetensors.index.json</c>.</param>
    /// <exception cref="UserErrorException">It is no such index, or names a file outside its folder.</exception>
    internal static ShardIndex Read(string path)
    {
        using MappedFile file = MappedFile.Open(path);
        if (file.Length > MaxBytes) throw Bad(path, $"it has {file.Length:N0} bytes; at most {MaxBytes:N0} are read");
        ReadOnlySpan<byte> json = file.Head(MaxBytes);
        if (!Utf8.IsValid(json)) throw Bad(path, "it is not UTF-8 text");
        try
        {
            return Parse(json, path);
        }
        catch (JsonException failure)
        {
            throw Bad(path, Printable.Of(failure.Message));
        }
    }

    private static ShardIndex Parse(ReadOnlySpan<byte> utf8, string path)
    {
        var files = new List<KeyValuePair<string, string>>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        double? total = null;
        var json = new StrictJson(utf8);
        json.BeginObject("the index");
        while (json.NextKey(out string key))
        {
            if (!keys.Add(key)) throw Bad(path, $"the key {Printable.Of(key)} stands in it twice");
            // metadata holds the total size and whatever the writer liked to note.
            if (key == "metadata") total = json.NumberIn("total_size");
            else if (key == "weight_map") ReadMap(ref json, files, path);
            else throw Bad(path, $"it has the unknown key {Printable.Of(key)}; metadata and weight_map are known");
        }
        json.End();
        return keys.Contains("weight_map") ? new ShardIndex(path, files, total) : throw Bad(path, "it has no weight_map");
    }

    private static void ReadMap(ref StrictJson json, List<KeyValuePair<string, string>> files, string path)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var known = new Dictionary<string, string>(StringComparer.Ordinal);
        json.BeginObject("weight_map");
        while (json.NextKey(out string name))
        {
            string shard = json.Text(name);
            if (!names.Add(name)) throw Bad(path, $"it names tensor {Printable.Of(name)} twice");
            if (names.Count > MaxTensors) throw Bad(path, $"it names more than {MaxTensors:N0} tensors");
            if (!IsPlainName(shard)) throw Bad(path, $"tensor {Printable.Of(name)} is said to be in '{Printable.Of(shard)}', which is not the plain name of a file in the same folder");
            // One text per file, however many tensors are in it.
            if (!known.TryAdd(shard, shard)) shard = known[shard];
            files.Add(new(name, shard));
        }
    }

    private static bool IsPlainName(string name) => name.Length is > 0 and < 256 && name is not ("." or "..") && !name.AsSpan().ContainsAny("/\\:\0");

    private static UserErrorException Bad(string path, string what) => new($"{path} is not an index of tensor files: {what}", "copy or download the model's folder again");
}
