using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Metrics;

namespace Monosemantic.Reports;

/// <summary>One line of a card: a name and what it is.</summary>
/// <param name="Label">The name, such as <c>corpus</c>.</param>
/// <param name="Value">Its value, as it is to be read.</param>
public sealed record LabelledValue(string Label, string Value);

/// <summary>What was run: enough to make the report's dictionary again.</summary>
public sealed record RunCard
{
    /// <summary>Name of the model whose activations were read.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model's weights, lower-case hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>Hook point whose activations were read, such as <c>blocks.2.hook_resid_post</c>.</summary>
    public required string HookPoint { get; init; }

    /// <summary>Size of an activation vector.</summary>
    public required int DModel { get; init; }

    /// <summary>Number of features in the dictionary.</summary>
    public required int DSae { get; init; }

    /// <summary>Features kept per token; null for an architecture without that setting.</summary>
    public int? K { get; init; }

    /// <summary>Name of the corpus.</summary>
    public required string Corpus { get; init; }

    /// <summary>Tokens that the dictionary was trained on, repeats counted.</summary>
    public required long TokensTrained { get; init; }

    /// <summary>Rows (tokens) that the evidence was gathered from.</summary>
    public required long RowsScanned { get; init; }

    /// <summary>Seed of the run.</summary>
    public required long Seed { get; init; }

    /// <summary>Version of this tool.</summary>
    public required string CodeVersion { get; init; }

    /// <summary>What came from what, in order: the name of each artefact and its SHA-256.</summary>
    public ImmutableArray<LabelledValue> Provenance { get; init; } = [];
}

/// <summary>Everything a report shows, as plain data: the same data give the same bytes on any machine.</summary>
public sealed record ReportData
{
    /// <summary>The report's heading.</summary>
    public required string Title { get; init; }

    /// <summary>What was run.</summary>
    public required RunCard Run { get; init; }

    /// <summary>How good the dictionary is; null where it was not evaluated.</summary>
    public EvaluationResult? Evaluation { get; init; }

    /// <summary>The dictionary's features.</summary>
    public required ImmutableArray<UnitEvidence> Features { get; init; }

    /// <summary>Raw neurons of the same model, to hold the features against; may be empty.</summary>
    public required ImmutableArray<UnitEvidence> Neurons { get; init; }

    /// <summary>
    /// The text of each token id that the evidence names; other ids may be there too and are left out of the report. An id
    /// without text is shown by its number.
    /// </summary>
    public required ImmutableSortedDictionary<int, string> Vocabulary { get; init; }

    /// <summary>One sentence saying what a neuron is here and when it counts as firing.</summary>
    public required string NeuronDefinition { get; init; }

    /// <summary>Facts about the language model, such as its held-out cross-entropy; may be empty.</summary>
    public ImmutableArray<LabelledValue> LanguageModel { get; init; } = [];
}
