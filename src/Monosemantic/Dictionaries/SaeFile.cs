using System.Text.Json;

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
}
