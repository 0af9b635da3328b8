using System.Collections.Immutable;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>What is known of a sparse autoencoder on disk; null where its files do not say.</summary>
public sealed record SaeInfo
{
    /// <summary>Format of the files.</summary>
    public required string Format { get; init; }

    /// <summary>What it computes.</summary>
    public required SaeConfig Config { get; init; }

    /// <summary>The model, by name or by the hash of its weights.</summary>
    public required string? Model { get; init; }

    /// <summary>What it was trained on, by name or by the hash of the activation store.</summary>
    public required string? Dataset { get; init; }

    /// <summary>Tokens of a context in training.</summary>
    public required int? ContextSize { get; init; }

    /// <summary>Whether contexts began with the beginning-of-sequence token.</summary>
    public required bool? PrependBos { get; init; }

    /// <summary>Licence of the weights.</summary>
    public required string? Licence { get; init; }

    /// <summary>Element type of the weights in the files.</summary>
    public required string? Dtype { get; init; }

    /// <summary>Features that fired at all while frequencies were counted.</summary>
    public required int? Alive { get; init; }

    /// <summary>What was changed in reading.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>What has to be known to use it and is not in the files.</summary>
    public required ImmutableArray<string> Missing { get; init; }

    /// <summary>Gathers it.</summary>
    /// <param name="found">What was read.</param>
    public static SaeInfo Of(SaeImport found)
    {
        ArgumentNullException.ThrowIfNull(found);
        SaeProvenance provenance = found.Sae.Provenance;
        return new()
        {
            Format = found.Format.Name,
            Config = found.Sae.Config,
            Model = provenance.Origin?.Model ?? (provenance.ModelSha256 is { } model ? $"weights with SHA-256 {model}" : null),
            Dataset = provenance.Origin?.Dataset ?? (provenance.StoreSha256 is { } store ? $"activation store with SHA-256 {store}" : null),
            ContextSize = provenance.Origin?.ContextSize,
            PrependBos = provenance.Origin?.PrependBos,
            Licence = provenance.Origin?.Licence,
            Dtype = provenance.Origin?.Dtype ?? (found.Format is NativeFormat ? "F32" : null),
            Alive = found.LogFrequency is { } frequency ? Firing(frequency) : null,
            Notes = found.Notes,
            Missing = found.Missing,
        };
    }

    // The files hold log10(frequency + 1e-10).
    private static int Firing(Tensor logFrequency)
    {
        using DisposeScope scope = NewDisposeScope();
        return (int)logFrequency.gt(-9.9).sum().item<long>();
    }
}
