using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What a finished store holds: the content of <c>manifest.json</c>, which is written last.</summary>
public sealed record StoreManifest
{
    /// <summary>The version of the format that this build writes, and the only one that it reads.</summary>
    public const int CurrentVersion = 2;

    /// <summary>The version of the store's format.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>Number of rows.</summary>
    public required long Rows { get; init; }

    /// <summary>Number of rows whose document is held out; they are the last rows of the store, in shards of their own.</summary>
    public required long HeldOutRows { get; init; }

    /// <summary>Number of rows that were left out because their norm was too large.</summary>
    public required long OutlierRows { get; init; }

    /// <summary>Where the rows come from and how they are kept.</summary>
    public required StorePlan Plan { get; init; }

    /// <summary>Mean, variance and norms over all rows, held-out ones included.</summary>
    public required StoreStatistics Statistics { get; init; }

    /// <summary>The same over the rows of training documents alone, which is what inputs are scaled by; null where there is none.</summary>
    public required StoreStatistics? TrainingStatistics { get; init; }

    /// <summary>The file that says what each token reads like; null where it is not known.</summary>
    public required StoreFile? TokenTexts { get; init; }

    /// <summary>The files, in the order of their rows.</summary>
    public required ImmutableArray<StoreShard> Shards { get; init; }

    /// <summary>Reads a manifest.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, contradicts itself, or was written by another version.</exception>
    public static StoreManifest Read(string path)
    {
        CheckVersion(path);
        StoreManifest manifest = JsonFile.Read<StoreManifest>(path);
        manifest.Plan.Check();
        ImmutableArray<StoreShard> shards = manifest.Shards;
        bool adds = shards.Sum(shard => (long)shard.Rows) == manifest.Rows && shards.Where(shard => shard.HeldOut).Sum(shard => (long)shard.Rows) == manifest.HeldOutRows;
        if (!adds || shards.Any(shard => shard.Rows < 1)) throw Wrong($"says {manifest.Rows:N0} rows, {manifest.HeldOutRows:N0} of them held out, but its shards do not add up to that");
        if (shards.Zip(shards.Skip(1)).Any(pair => pair.First.HeldOut && !pair.Second.HeldOut)) throw Wrong("has a shard of training rows behind one of held-out rows");
        if (shards.FirstOrDefault(shard => shard.Blocks.Any(rows => rows < 1) || shard.Blocks.Sum() != shard.Rows) is { } bad) throw Wrong($"says {bad.Rows:N0} rows for {bad.File}, but its blocks do not add up to that");
        if (shards.FirstOrDefault(shard => shard.Files.Any(file => !IsPlainName(file.Name))) is { } far) throw Wrong($"names the file {far.File}; only names without a folder are allowed");
        return manifest;

        UserErrorException Wrong(string what) => new($"{path} {what}", "copy the store again, or extract it again");
    }

    // A manifest may come from anywhere, and must not make anybody read files outside the store.
    private static bool IsPlainName(string name) => name.Length > 0 && name == Path.GetFileName(name) && name is not ("." or "..");

    // Before anything else is read: another format has keys that this build would only call unknown.
    private static void CheckVersion(string path)
    {
        if (VersionOf(path) is not { } version) throw new UserErrorException($"{path} has no format_version: it is not the manifest of an activation store", "give the folder that `monosemantic extract` wrote");
        if (version > CurrentVersion) throw new UserErrorException($"{path} has format_version {version}; this build reads {CurrentVersion}", "update monosemantic, or extract the store again with this build");
        if (version < CurrentVersion) throw new UserErrorException($"{path} has format_version {version}, from before the first release; this build reads {CurrentVersion}", "extract the store again with this build");
    }

    private static int? VersionOf(string path)
    {
        if (!File.Exists(path)) throw new UserErrorException($"{path} does not exist", "check the path; an unfinished folder has no manifest yet");
        try
        {
            var reader = new Utf8JsonReader(File.ReadAllBytes(path));
            while (reader.Read())
            {
                if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals("format_version")) continue;
                return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int version) ? version : null;
            }
            return null;
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{path} is not JSON: {failure.Message}", "copy the store again, or extract it again", failure);
        }
    }
}

/// <summary>A file of a store.</summary>
/// <param name="Name">Its name in the store's folder.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">SHA-256 of its bytes.</param>
public sealed record StoreFile(string Name, long Bytes, string Sha256)
{
    /// <summary>A file that was just written.</summary>
    internal static StoreFile Of(string path) => new(Path.GetFileName(path), new FileInfo(path).Length, Hashing.OfFile(path));

    /// <summary>What is wrong with the file as far as presence and size show it; null where nothing is.</summary>
    internal string? ProblemIn(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, Name));
        return !file.Exists ? $"{Name} is missing" : file.Length != Bytes ? $"{Name} has {file.Length:N0} bytes, not {Bytes:N0}" : null;
    }
}

/// <summary>One part of a store: consecutive rows of one split, in two files.</summary>
public sealed record StoreShard
{
    /// <summary>
    /// Name of the safetensors file, which holds one tensor <c>activations</c> [rows, d_model] and, for int8, another,
    /// <c>scales</c> [rows], that each row has to be multiplied by.
    /// </summary>
    public required string File { get; init; }

    /// <summary>Number of rows.</summary>
    public required int Rows { get; init; }

    /// <summary>Whether the rows are of documents that are held out from training.</summary>
    public required bool HeldOut { get; init; }

    /// <summary>Rows of each block, in order. A block came out of one forward pass; shuffling moves whole blocks before it mixes their rows.</summary>
    public required ImmutableArray<int> Blocks { get; init; }

    /// <summary>Size of the safetensors file in bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of the safetensors file.</summary>
    public required string Sha256 { get; init; }

    /// <summary>
    /// Name of the Parquet file that says where each row comes from: columns document, position and token (int32), one row group
    /// for each block.
    /// </summary>
    public required string RowsFile { get; init; }

    /// <summary>Size of the Parquet file in bytes.</summary>
    public required long RowsBytes { get; init; }

    /// <summary>SHA-256 of the Parquet file.</summary>
    public required string RowsSha256 { get; init; }

    /// <summary>Both files.</summary>
    internal IEnumerable<StoreFile> Files => [new(File, Bytes, Sha256), new(RowsFile, RowsBytes, RowsSha256)];
}

/// <summary>Statistics over rows of a store as they are kept (after rounding to its dtype), computed in float64 while writing.</summary>
public sealed record StoreStatistics
{
    /// <summary>Mean row [d_model].</summary>
    public required ImmutableArray<double> Mean { get; init; }

    /// <summary>Mean Euclidean norm of a row.</summary>
    public required double MeanNorm { get; init; }

    /// <summary>Mean squared Euclidean norm of a row.</summary>
    public required double MeanSquaredNorm { get; init; }

    /// <summary>Variance of each dimension about its mean, divided by the number of rows [d_model].</summary>
    public required ImmutableArray<double> Variance { get; init; }
}
