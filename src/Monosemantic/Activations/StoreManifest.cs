using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What a finished store holds: the content of <c>manifest.json</c>, which is written last.</summary>
public sealed record StoreManifest
{
    /// <summary>The version of the format that this build writes, and the newest that it reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>The version of the store's format.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>Number of rows.</summary>
    public required long Rows { get; init; }

    /// <summary>Number of rows whose document is held out.</summary>
    public required long HeldOutRows { get; init; }

    /// <summary>Where the rows come from and how they are kept.</summary>
    public required StorePlan Plan { get; init; }

    /// <summary>Mean, variance and norms over all rows.</summary>
    public required StoreStatistics Statistics { get; init; }

    /// <summary>The files, in the order of their rows.</summary>
    public required ImmutableArray<StoreShard> Shards { get; init; }

    /// <summary>Reads a manifest.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, contradicts itself, or was written by a newer version.</exception>
    public static StoreManifest Read(string path)
    {
        CheckVersion(path);
        StoreManifest manifest = JsonFile.Read<StoreManifest>(path);
        manifest.Plan.Check();
        if (manifest.Shards.Sum(shard => (long)shard.Rows) != manifest.Rows || manifest.Shards.Any(shard => shard.Rows < 1))
        {
            throw new UserErrorException($"{path} says {manifest.Rows:N0} rows, but its shards do not add up to that", "copy the store again, or extract it again");
        }
        return manifest;
    }

    // Before anything else is read: a newer format has keys that this build would only call unknown.
    private static void CheckVersion(string path)
    {
        var probe = JsonFile.Read<JsonElement>(path);
        if (probe.ValueKind != JsonValueKind.Object || !probe.TryGetProperty("format_version", out JsonElement value) || !value.TryGetInt32(out int version))
        {
            throw new UserErrorException($"{path} has no format_version: it is not the manifest of an activation store", "give the folder that `monosemantic extract` wrote");
        }
        if (version is < 1 or > CurrentVersion)
        {
            throw new UserErrorException($"{path} has format_version {version}; this build reads 1..{CurrentVersion}", "update monosemantic, or extract the store again with this build");
        }
    }
}

/// <summary>One part of a store: consecutive rows, in two files.</summary>
public sealed record StoreShard
{
    /// <summary>Name of the safetensors file, which holds one tensor <c>activations</c> [rows, d_model].</summary>
    public required string File { get; init; }

    /// <summary>Number of rows.</summary>
    public required int Rows { get; init; }

    /// <summary>Number of rows whose document is held out.</summary>
    public required int HeldOutRows { get; init; }

    /// <summary>Size of the safetensors file in bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of the safetensors file.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Name of the Parquet file that says where each row comes from: columns document, position and token (int32).</summary>
    public required string RowsFile { get; init; }

    /// <summary>Size of the Parquet file in bytes.</summary>
    public required long RowsBytes { get; init; }

    /// <summary>SHA-256 of the Parquet file.</summary>
    public required string RowsSha256 { get; init; }
}

/// <summary>Statistics over all rows of a store as they are kept (after rounding to its dtype), computed in float64 while writing.</summary>
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
