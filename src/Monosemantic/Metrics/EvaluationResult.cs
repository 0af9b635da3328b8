using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Monosemantic.Metrics.Probing;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics;

/// <summary>Cross-entropies of the model with and without the dictionary in its residual stream, all in nats per token.</summary>
/// <param name="Original">The model's own.</param>
/// <param name="Spliced">With the activation replaced by its reconstruction.</param>
/// <param name="ZeroAblation">With the activation replaced by zero.</param>
/// <param name="Recovered">(zero ablation - spliced) / (zero ablation - original); null where the denominator is 0.</param>
/// <param name="Tokens">Predicted tokens that the means are over.</param>
public sealed record CrossEntropyResult(double Original, double Spliced, double ZeroAblation, double? Recovered, long Tokens)
{
    /// <summary>Every number about the model's behaviour with its interval, by name; in <c>metrics.json</c> they are among the result's.</summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, MetricValue> Numbers { get; init; } = ImmutableDictionary<string, MetricValue>.Empty;
}

/// <summary>What a set of numbers was measured on, by the hashes of the artefacts.</summary>
/// <param name="DictionarySha256">SHA-256 of the dictionary's <c>sae.json</c>, which holds the hash of its weights.</param>
/// <param name="ActivationsSha256">SHA-256 of the store's manifest, which holds the hash of every shard.</param>
/// <param name="ModelSha256">SHA-256 of the model's weights.</param>
/// <param name="Contexts">Most held-out contexts that the model was run on; 0 where it was not.</param>
/// <param name="CodeVersion">The build that measured.</param>
/// <param name="Ablated">Which positions the ablations replaced.</param>
public sealed record EvaluationOrigin(string DictionarySha256, string ActivationsSha256, string ModelSha256, int Contexts, string CodeVersion, AblatedPositions Ablated = AblatedPositions.Every);

/// <summary>How the intervals were made.</summary>
/// <param name="Unit">What is resampled.</param>
/// <param name="Resamples">How many resamples.</param>
/// <param name="Seed">Seed of the resampling.</param>
/// <param name="Level">Chance that an interval covers what it is about.</param>
public sealed record IntervalMethod(string Unit, int Resamples, long Seed, double Level);

/// <summary>What something simpler than the dictionary reaches with the same budget, on the same rows.</summary>
public sealed record BaselineResult
{
    /// <summary>Its name, such as <c>pca</c>; the dictionary itself, on these rows, is <c>dictionary</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it does, in one line.</summary>
    public required string Description { get; init; }

    /// <summary>Its numbers, by name; the same definitions as the dictionary's.</summary>
    public required IReadOnlyDictionary<string, MetricValue> Numbers { get; init; }

    /// <summary>Whether the dictionary's FVU on the same rows is lower; null where either is undefined, and for the dictionary itself.</summary>
    public required bool? Beaten { get; init; }
}

/// <summary>The numbers that say how good a dictionary is, as written to <c>metrics.json</c>.</summary>
[TypeFormatterSource(typeof(RichDisplay))]
public sealed record EvaluationResult
{
    /// <summary>The version of the file's format that this build writes.</summary>
    public const int CurrentVersion = 1;

    /// <summary>The version of the file's format.</summary>
    public int FormatVersion { get; init; } = CurrentVersion;

    /// <summary>Which rows were evaluated, such as <c>held_out</c>.</summary>
    public required string Split { get; init; }

    /// <summary>Rows (tokens) evaluated.</summary>
    public required long Rows { get; init; }

    /// <summary>Fraction of variance unexplained: E|x - x_hat|^2 / E|x - mean x|^2, the mean over all evaluated rows.</summary>
    public required double? Fvu { get; init; }

    /// <summary>Mean squared error per vector: E|x - x_hat|^2.</summary>
    public required double MsePerVector { get; init; }

    /// <summary>Mean number of features that fire per token.</summary>
    public required double L0 { get; init; }

    /// <summary>Share of features that fire on no evaluated row.</summary>
    public required double DeadFraction { get; init; }

    /// <summary>Mean cosine similarity of x and x_hat; null where a norm is 0 throughout.</summary>
    public required double? CosineSimilarity { get; init; }

    /// <summary>What was evaluated; null where the caller measured activations that are in no store.</summary>
    public EvaluationOrigin? Origin { get; init; }

    /// <summary>Behaviour of the model with the dictionary spliced in; null where no model was given.</summary>
    public required CrossEntropyResult? CrossEntropy { get; init; }

    /// <summary>Documents that the rows are of.</summary>
    public long Documents { get; init; }

    /// <summary>Every number by name, each with its interval, tokens, split, unit and formula.</summary>
    public IReadOnlyDictionary<string, MetricValue> Numbers { get; init; } = ImmutableDictionary<string, MetricValue>.Empty;

    /// <summary>How the intervals were made.</summary>
    public IntervalMethod Intervals { get; init; } = new("document", DocumentBootstrap.Resamples, DocumentBootstrap.Seed, 0.95);

    /// <summary>How often features fire; null where it was not counted.</summary>
    public DensityHistogram? Density { get; init; }

    /// <summary>The dictionary beside what is simpler, on the same rows; empty where no baseline was asked for.</summary>
    public ImmutableArray<BaselineResult> Baselines { get; init; } = [];

    /// <summary>The dictionary against the truth of synthetic data, by name; null where the data has no known truth.</summary>
    public IReadOnlyDictionary<string, MetricValue>? GroundTruth { get; init; }

    /// <summary>Probes, spelling and scores of single features; null where they were not asked for.</summary>
    public InterpretabilityResult? Interpretability { get; init; }

    /// <summary>Why there is no baseline; null where there are some, or none was asked for.</summary>
    public string? NoBaselines { get; init; }
}
