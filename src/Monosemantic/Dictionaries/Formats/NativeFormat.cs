using System.Collections.Immutable;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>This tool's own folder. It holds every architecture, what the autoencoder was made from, and probes that prove a port.</summary>
internal sealed class NativeFormat : SaeFormat
{
    /// <inheritdoc/>
    public override string Name => "native";

    /// <inheritdoc/>
    public override string Summary => "this tool's own: every architecture, origin, and probe vectors";

    /// <inheritdoc/>
    public override string Layout => $"{SaeStorage.ManifestName} + {SaeStorage.WeightsName}";

    /// <inheritdoc/>
    public override bool Writes => true;

    /// <inheritdoc/>
    internal override bool TakesDtypes => false;

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files) => files.Has(SaeStorage.ManifestName);

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [SaeStorage.ManifestName, SaeStorage.WeightsName];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        foreach (string part in Parts(files)) files.Of(part);
        (SaeFile manifest, SaeWeights weights) = SaeStorage.Load(files.Folder);
        return new SaeImport(this, new SparseAutoencoder(manifest.Config, manifest.Provenance, weights), []) { LogFrequency = SparsityFile.Read(files, manifest.Config.DSae) };
    }

    /// <inheritdoc/>
    internal override SaePlan Plan(SparseAutoencoder sae) => new((folder, _) => sae.Save(folder));
}

/// <summary>How often features fire, in SAELens' file for it, which is kept beside any format that has no place of its own.</summary>
internal static class SparsityFile
{
    internal const string Name = "sparsity.safetensors";
    private const string Key = "sparsity";

    /// <summary>log10 of the frequencies [d_sae], or null where there is no such file.</summary>
    internal static Tensor? Read(SaeFiles files, int dSae)
    {
        if (!files.Has(Name)) return null;
        using SafetensorsFile file = SafetensorsFile.Open(files.Of(Name));
        var tensors = new ForeignTensors(file);
        Tensor sparsity = tensors.Take(Key, dSae);
        tensors.End("a sparsity file");
        Tensor copy = sparsity.clone().DetachFromDisposeScope();
        sparsity.Dispose();
        return copy;
    }

    internal static void Write(string folder, Tensor logFrequency) => SafetensorsWriter.Write(Path.Combine(folder, Name), [new(Key, logFrequency)]);
}
