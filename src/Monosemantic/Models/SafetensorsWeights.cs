using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Weights in one safetensors file, or in shards with an index that says which tensor is in which.</summary>
internal sealed class SafetensorsWeights : WeightSource
{
    private readonly List<(SafetensorsFile File, MappedTensors Mapped)> shards = [];
    private readonly Dictionary<string, (SafetensorsEntry Entry, int Shard)> entries = [];
    private readonly List<string> warnings = [];

    private SafetensorsWeights(string path, IEnumerable<string> files)
    {
        Path = path;
        try
        {
            foreach (string file in files) Add(file);
        }
        catch
        {
            Dispose();
            throw;
        }
        Shapes = entries.ToDictionary(pair => pair.Key, pair => pair.Value.Entry.Shape);
    }

    internal override string Path { get; }

    internal override IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    internal override IReadOnlyList<string> Warnings => warnings;

    internal static SafetensorsWeights OpenSingle(string path) => new(path, [path]);

    /// <summary>Opens exactly the shards that an index names.</summary>
    /// <exception cref="UserErrorException">A shard is missing, or shards and index do not hold the same tensors.</exception>
    internal static SafetensorsWeights OpenSharded(string indexPath)
    {
        ShardIndex index = JsonFile.Read<ShardIndex>(indexPath);
        string directory = System.IO.Path.GetDirectoryName(indexPath)!;
        string[] names = [.. index.WeightMap.Values.Distinct().Order(StringComparer.Ordinal)];
        if (names.FirstOrDefault(name => name != System.IO.Path.GetFileName(name) || name is "" or "." or "..") is { } strange)
        {
            throw new UserErrorException($"{indexPath} names the shard '{strange}'; it must be a file beside the index", "copy the model's own index");
        }
        string[] missing = [.. names.Where(name => !File.Exists(System.IO.Path.Combine(directory, name)))];
        if (missing.Length > 0) throw new UserErrorException($"{indexPath} names {names.Length} shards, of which {missing.Length} are missing: {string.Join(", ", missing)}", "copy or download them beside the index");
        var weights = new SafetensorsWeights(indexPath, names.Select(name => System.IO.Path.Combine(directory, name)));
        try
        {
            weights.CheckAgainst(index);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    internal override torch.Tensor Read(string name)
    {
        (SafetensorsEntry entry, int shard) = entries[name];
        (SafetensorsFile file, MappedTensors mapped) = shards[shard];
        if (entry.Element.Type is not (torch.ScalarType.Float32 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Float64) || entry.Element.Type is not { } element)
        {
            throw new UserErrorException($"{file.Path}: tensor {name} is stored as {entry.Element.Name}; weights are read from F32, F16, BF16 and F64", "quantised weights are not read; use the model in one of these");
        }
        using var scope = torch.NewDisposeScope();
        torch.Tensor stored = mapped.View(element, file.Header.DataStart + entry.Begin, entry.Shape) ?? file.Read(name);
        return stored.to(torch.ScalarType.Float32).MoveToOuterDisposeScope();
    }

    internal override string Hash()
    {
        if (shards is [var (only, _)]) return Hashing.OfFile(only.Path);
        return Hashing.OfText(string.Concat(shards.Select(shard => $"{Hashing.OfFile(shard.File.Path)}  {System.IO.Path.GetFileName(shard.File.Path)}\n")));
    }

    public override void Dispose()
    {
        foreach ((SafetensorsFile file, MappedTensors mapped) in shards)
        {
            mapped.Dispose();
            file.Dispose();
        }
        shards.Clear();
    }

    private void Add(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        shards.Add((file, new MappedTensors(path)));
        foreach (SafetensorsEntry entry in file.Header.Entries)
        {
            if (!entries.TryAdd(entry.Name, (entry, shards.Count - 1))) throw new UserErrorException($"tensor {entry.Name} is both in {shards[entries[entry.Name].Shard].File.Path} and in {path}", "the shards are not of the same model");
        }
    }

    private void CheckAgainst(ShardIndex index)
    {
        string[] misplaced = [.. index.WeightMap.Where(pair => !IsIn(pair.Key, pair.Value)).Select(pair => $"{pair.Key} in {pair.Value}")];
        if (misplaced.Length > 0) throw Unlike(misplaced, "names tensors that are not there");
        string[] unnamed = [.. entries.Keys.Where(name => !index.WeightMap.ContainsKey(name)).Select(name => $"{name} in {System.IO.Path.GetFileName(shards[entries[name].Shard].File.Path)}")];
        if (unnamed.Length > 0) throw Unlike(unnamed, "does not name all tensors of its shards");
        long bytes = entries.Values.Sum(place => place.Entry.End - place.Entry.Begin);
        if (index.Metadata is { ValueKind: JsonValueKind.Object } metadata && metadata.TryGetProperty("total_size", out JsonElement total) && total.TryGetDouble(out double size) && size != bytes)
        {
            warnings.Add($"{Path}: total_size is {size:F0}, but the shards hold {bytes} bytes");
        }
    }

    private bool IsIn(string name, string shard) =>
        entries.TryGetValue(name, out (SafetensorsEntry Entry, int Shard) place) && System.IO.Path.GetFileName(shards[place.Shard].File.Path) == shard;

    private UserErrorException Unlike(string[] tensors, string what) =>
        new($"{Path} {what}: {string.Join(", ", tensors.Take(5))}{(tensors.Length > 5 ? $" and {tensors.Length - 5} more" : "")}", "index and shards are not of the same model");

    private sealed record ShardIndex([property: JsonRequired] Dictionary<string, string> WeightMap, JsonElement? Metadata = null);
}
