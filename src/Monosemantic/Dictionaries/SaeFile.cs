using System.Text.Json;
using System.Text.Json.Serialization;

namespace Monosemantic.Dictionaries;

/// <summary>What <c>sae.json</c> holds: the manifest of a saved sparse autoencoder, written after its weights.</summary>
public sealed record SaeFile
{
    /// <summary>The version that this library writes.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Version of the format, 1.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>What the autoencoder computes.</summary>
    public required SaeConfig Config { get; init; }

    /// <summary>What it was made from.</summary>
    public required SaeProvenance Provenance { get; init; }

    /// <summary>SHA-256 of <c>sae.safetensors</c>, lower-case hexadecimal.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>SHA-256 of <c>probes.safetensors</c>: a few inputs with their feature activations and outputs. Null in folders of earlier versions, which have none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ProbesSha256 { get; init; }
}

/// <summary>What a sparse autoencoder was made from, enough to make it again; null where it is not known.</summary>
public sealed record SaeProvenance
{
    /// <summary>SHA-256 of the model's weights file.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>SHA-256 of the activation store's manifest.</summary>
    public string? StoreSha256 { get; init; }

    /// <summary>Seed of the initial weights.</summary>
    public long? Seed { get; init; }

    /// <summary>Optimiser steps taken.</summary>
    public long? Steps { get; init; }

    /// <summary>Tokens (rows) trained on, repeats counted.</summary>
    public long? Tokens { get; init; }

    /// <summary>Factor that the activations were multiplied by while training. It is folded into the weights: raw activations go in.</summary>
    public double? FoldedScale { get; init; }

    /// <summary>Version of this library.</summary>
    public string? CodeVersion { get; init; }

    /// <summary>The whole training config with every default filled in.</summary>
    public JsonElement? Training { get; init; }

    /// <summary>What the file that it was read from said of it; null for one that this tool trained.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SaeOrigin? Origin { get; init; }
}

/// <summary>What another tool's files said of a sparse autoencoder; null where they did not.</summary>
public sealed record SaeOrigin
{
    /// <summary>Format of the files, one of <c>list formats</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The model, as the other tool names it.</summary>
    public string? Model { get; init; }

    /// <summary>The text that it was trained on.</summary>
    public string? Dataset { get; init; }

    /// <summary>Tokens of a context in training.</summary>
    public int? ContextSize { get; init; }

    /// <summary>Whether contexts began with the beginning-of-sequence token.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>Licence of the weights.</summary>
    public string? Licence { get; init; }

    /// <summary>Element type of the weights in the files.</summary>
    public string? Dtype { get; init; }

    /// <summary>Whether activations must be scaled to a mean length of sqrt(d) before they go in, by a factor that the files do not give.</summary>
    public bool InputsNeedScale { get; init; }

    /// <summary>The one threshold for all features that the files hold beside k.</summary>
    public double? Threshold { get; init; }

    /// <summary>The other tool's own config, whole.</summary>
    public JsonElement? Config { get; init; }
}
