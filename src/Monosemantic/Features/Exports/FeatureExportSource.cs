using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Features.Exports;

/// <summary>An index that is being exported: which of its features, and under which names.</summary>
internal sealed partial class FeatureExportSource : IDisposable
{
    private readonly SparseAutoencoder? sae;

    private FeatureExportSource(FeatureIndex index, FeatureExportOptions options, SparseAutoencoder? sae)
    {
        (Index, Options, this.sae) = (index, options, sae);
        IndexSha256 = index.Sha256;
        Exported = [.. index.Features.Where(unit => unit.Firings > 0 && unit.Density >= options.MinDensity)];
        Skipped = [.. index.Features.Where(unit => unit.Firings == 0 || unit.Density < options.MinDensity).Select(unit => unit.Index)];
        Match block = Block().Match(index.Card.HookPoint);
        Layer = block.Success && int.TryParse(block.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : 0;
        ModelId = Id(options.ModelId ?? index.Card.Model);
        SourceSet = Id(options.SourceSet ?? $"{Site(index.Card.HookPoint)}-{index.Card.DSae.ToString(CultureInfo.InvariantCulture)}");
    }

    internal FeatureIndex Index { get; }

    internal FeatureExportOptions Options { get; }

    internal string IndexSha256 { get; }

    /// <summary>The features that go along, by index.</summary>
    internal ImmutableArray<UnitEvidence> Exported { get; }

    /// <summary>Indices of the others.</summary>
    internal ImmutableArray<int> Skipped { get; }

    /// <summary>Block of the hook point; 0 where it lies in none.</summary>
    internal int Layer { get; }

    internal string ModelId { get; }

    internal string SourceSet { get; }

    internal string SourceId => $"{Layer.ToString(CultureInfo.InvariantCulture)}-{SourceSet}";

    internal static FeatureExportSource Open(string folder, FeatureExportOptions options)
    {
        if (!DateTime.TryParseExact(options.Date, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss'Z'"], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _)) throw new UserErrorException($"the date is \"{options.Date}\"; it must be as 2026-01-31 or 2026-01-31T12:00:00", "give it so with --date");
        if (!(options.MinDensity is >= 0 and <= 1)) throw new UserErrorException($"the smallest density is {options.MinDensity}; it must be a share from 0 to 1", "give one with --min-density");
        var index = FeatureIndex.Open(folder);
        SparseAutoencoder? sae = options.Sae is { } path ? Scanned(path, index.Card, folder) : null;
        return new(index, options, sae);
    }

    /// <summary>Decoder row of a feature [d_model]; empty without the dictionary.</summary>
    internal float[] Vector(int feature)
    {
        if (sae is null) return [];
        using TorchSharp.torch.Tensor row = sae.WDec[feature];
        return [.. TensorMemory.Floats(row)];
    }

    public void Dispose() => sae?.Dispose();

    private static SparseAutoencoder Scanned(string path, FeatureIndexCard card, string folder)
    {
        string? scanned = card.Provenance.FirstOrDefault(artefact => artefact.Name == "dictionary")?.Value;
        SparseAutoencoder sae = SparseAutoencoder.Load(path);
        if (SparseAutoencoder.ManifestHash(path) == scanned) return sae;
        sae.Dispose();
        throw new UserErrorException($"{path} is not the dictionary that {folder} was made with (SHA-256 {scanned ?? "unknown"})", "give that one with --sae, or leave it out");
    }

    // It becomes part of a path, and of addresses.
    private static string Id(string name)
    {
        string id = Unsafe().Replace(name, "_");
        return id.Trim('.').Length > 0 ? id : "unnamed";
    }

    private static string Site(string hook) => hook.Contains("mlp", StringComparison.Ordinal) ? "mlp" : hook.Contains("attn", StringComparison.Ordinal) ? "att" : hook.Contains("resid", StringComparison.Ordinal) ? "res" : "sae";

    [GeneratedRegex(@"^blocks\.(\d+)\.")]
    private static partial Regex Block();

    [GeneratedRegex(@"[^A-Za-z0-9._-]")]
    private static partial Regex Unsafe();
}
