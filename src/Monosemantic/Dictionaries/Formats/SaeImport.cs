using System.Collections.Immutable;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>A sparse autoencoder read from files, and what is to be known of it.</summary>
public sealed class SaeImport : IDisposable
{
    internal SaeImport(SaeFormat format, SparseAutoencoder sae, IEnumerable<string> notes) => (Format, Sae, Notes) = (format, sae, [.. notes]);

    /// <summary>The format of the files.</summary>
    public SaeFormat Format { get; }

    /// <summary>The autoencoder.</summary>
    public SparseAutoencoder Sae { get; }

    /// <summary>What was changed to make raw activations go in, one line each.</summary>
    public ImmutableArray<string> Notes { get; }

    /// <summary>log10 of how often each feature fires [d_sae], where the files say so; owned by this object.</summary>
    public Tensor? LogFrequency { get; internal init; }

    /// <summary>What the files leave open and has to be known to use it, one line each.</summary>
    public ImmutableArray<string> Missing =>
    [
        .. Sae.Config.HookPoint.Length == 0 ? ["the hook point that it reads"] : Array.Empty<string>(),
        .. Sae.Provenance is { ModelSha256: null, Origin.Model: null } or { ModelSha256: null, Origin: null } ? ["the model that it belongs to"] : Array.Empty<string>(),
        .. Sae.Provenance.Origin is { InputsNeedScale: true } ? [$"the factor that scales activations to a mean length of sqrt({Sae.Config.DModel}) before they go in"] : Array.Empty<string>(),
        .. Sae.Config.Outputs != Sae.Config.DModel && Sae.Config.HookPointOut is null ? ["the hook point that it predicts"] : Array.Empty<string>(),
    ];

    /// <summary>Makes the autoencoder, naming the file where tensors do not fit.</summary>
    internal static SaeImport Of(SaeFormat format, string source, SaeConfig config, IEnumerable<KeyValuePair<string, Tensor>> tensors, SaeOrigin origin, IEnumerable<string>? notes = null, bool foldNorms = false, Tensor? logFrequency = null)
    {
        (config, origin, string? placed) = SaeCatalogue.Complete(source, config, origin);
        config.Check(source);
        SparseAutoencoder sae = SparseAutoencoder.FromTensors(config, [.. tensors], new SaeProvenance { Origin = origin });
        if (foldNorms)
        {
            using SparseAutoencoder unfolded = sae;
            sae = unfolded.FoldDecoderNorms();
        }
        return new SaeImport(format, sae, [.. notes ?? [], .. placed is null ? [] : new[] { placed }]) { LogFrequency = logFrequency?.DetachFromDisposeScope() };
    }

    /// <summary>Frees the autoencoder.</summary>
    public void Dispose()
    {
        Sae.Dispose();
        LogFrequency?.Dispose();
    }
}
