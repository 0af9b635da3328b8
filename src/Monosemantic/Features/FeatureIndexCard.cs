using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>A name and a value, such as an artefact and its SHA-256.</summary>
/// <param name="Name">The name.</param>
/// <param name="Value">Its value, as it is to be read.</param>
public sealed record NamedValue(string Name, string Value);

/// <summary>What was scanned and with what: the part of <c>index.json</c> that the caller knows. No dates, no paths.</summary>
[TypeFormatterSource(typeof(RichDisplay))]
public sealed record FeatureIndexCard
{
    /// <summary>Name of the model.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model's weights, lower-case hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>Hook point whose activations were scanned, such as <c>blocks.2.hook_resid_post</c>.</summary>
    public required string HookPoint { get; init; }

    /// <summary>Width of the hook point.</summary>
    public required int DModel { get; init; }

    /// <summary>Number of features in the dictionary.</summary>
    public required int DSae { get; init; }

    /// <summary>Features kept per token; null for an architecture without that setting.</summary>
    public int? K { get; init; }

    /// <summary>Name of the corpus.</summary>
    public required string Corpus { get; init; }

    /// <summary>Tokens that the dictionary was trained on, repeats counted.</summary>
    public required long TokensTrained { get; init; }

    /// <summary>Rows (tokens) scanned.</summary>
    public required long RowsScanned { get; init; }

    /// <summary>Seed of the run.</summary>
    public required long Seed { get; init; }

    /// <summary>Version of the tool.</summary>
    public required string CodeVersion { get; init; }

    /// <summary>One sentence: what a feature is here and when it fires.</summary>
    public required string FeatureDefinition { get; init; }

    /// <summary>One sentence: what a neuron is here and when it fires.</summary>
    public required string NeuronDefinition { get; init; }

    /// <summary>What it came from, in order: the name of each artefact and its SHA-256.</summary>
    public ImmutableArray<NamedValue> Provenance { get; init; } = [];

    /// <summary>Facts about the language model, such as its held-out cross-entropy.</summary>
    public ImmutableArray<NamedValue> LanguageModel { get; init; } = [];

    /// <summary>Rows by the number of features that fire there: entry i counts the rows with i of them; empty where it was not counted.</summary>
    public ImmutableArray<long> ActiveFeatures { get; init; } = [];

    /// <summary>How good the dictionary is; null where it was not evaluated.</summary>
    public EvaluationResult? Evaluation { get; init; }
}

/// <summary>The units of one kind in a few numbers.</summary>
/// <param name="Units">How many there are.</param>
/// <param name="Fired">How many fired at least once.</param>
/// <param name="MedianTokenEntropy">Median over those of the token entropy, bits; null without one.</param>
/// <param name="MedianDensity">Median over those of the share of rows at which they fire; null without one.</param>
public sealed record UnitSummary(int Units, int Fired, double? MedianTokenEntropy, double? MedianDensity)
{
    /// <summary>Sums up units.</summary>
    /// <param name="units">Their evidence.</param>
    public static UnitSummary Of(IReadOnlyCollection<UnitEvidence> units)
    {
        ArgumentNullException.ThrowIfNull(units);
        UnitEvidence[] fired = [.. units.Where(unit => unit.Firings > 0)];
        return new(units.Count, fired.Length, Median(fired.Select(unit => unit.TokenEntropy)), Median(fired.Select(unit => (double?)unit.Density)));
    }

    private static double? Median(IEnumerable<double?> values)
    {
        double[] sorted = [.. values.OfType<double>().Order()];
        int middle = sorted.Length / 2;
        if (sorted.Length == 0) return null;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}

/// <summary>One table of an index.</summary>
/// <param name="Name">File name.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Sha256">Hash of its bytes.</param>
public sealed record IndexTable(string Name, long Rows, string Sha256);

/// <summary>All of <c>index.json</c>, which is written last: a folder without it is unfinished.</summary>
internal sealed record FeatureIndexManifest
{
    [JsonRequired]
    public required int Version { get; init; }

    public required FeatureIndexCard Run { get; init; }

    public required UnitSummary Features { get; init; }

    public required UnitSummary Neurons { get; init; }

    public required ImmutableArray<IndexTable> Tables { get; init; }
}
