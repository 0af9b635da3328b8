using System.Collections.Immutable;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// A format of one JSON config and one safetensors file beside it. A reader of it takes what it knows from both; what is left
/// in either is refused by name, here for all of them.
/// </summary>
/// <param name="configName">Name of the config.</param>
/// <param name="weightsName">Name of the weights.</param>
internal abstract class ConfiguredFormat(string configName, string weightsName) : SaeFormat
{
    /// <inheritdoc/>
    public override string Layout => $"{configName} + {weightsName}";

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files) => files.Has(configName) && files.Has(weightsName);

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [configName, weightsName];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        ForeignConfig cfg = ForeignConfig.Read(files.Of(configName));
        using SafetensorsFile file = SafetensorsFile.Open(files.Of(weightsName));
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var weights = new ForeignTensors(file);
        ForeignSae read = Take(files, cfg, weights);
        cfg.End(Name);
        weights.End(Name);
        SaeOrigin origin = read.Origin with { Format = Name, Dtype = weights.CommonDtype ?? read.Origin.Dtype, Config = cfg.Root };
        return SaeImport.Of(this, file.Path, read.Config, read.Tensors, origin, read.Notes, read.FoldsNorms, SparsityFile.Read(files, read.Config.DSae));
    }

    /// <summary>Takes everything that is known from config and weights.</summary>
    private protected abstract ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights);

    /// <summary>Writes weights and config of an autoencoder, which is freed where it was made for the purpose.</summary>
    private protected void Write(string folder, SparseAutoencoder written, SparseAutoencoder source, IEnumerable<KeyValuePair<string, Tensor>> tensors, Func<string> config)
    {
        try
        {
            using DisposeScope scope = NewDisposeScope();
            SafetensorsWriter.Write(Path.Combine(folder, weightsName), tensors);
            AtomicFile.WriteText(Path.Combine(folder, configName), config());
        }
        finally
        {
            if (!ReferenceEquals(written, source)) written.Dispose();
        }
    }
}

/// <summary>What a reader took from another tool's files.</summary>
/// <param name="Config">What it computes.</param>
/// <param name="Tensors">The tensors under this tool's names.</param>
/// <param name="Origin">What the files say of it.</param>
/// <param name="Notes">What was changed in reading.</param>
/// <param name="FoldsNorms">Whether decoder norms are to be folded into the encoder.</param>
internal sealed record ForeignSae(SaeConfig Config, Dictionary<string, Tensor> Tensors, SaeOrigin Origin, IEnumerable<string> Notes, bool FoldsNorms = false);
