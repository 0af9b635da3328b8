using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The native folder of a sparse autoencoder: <c>sae.safetensors</c> with <c>W_enc [d_model, d_sae]</c>, <c>b_enc</c> (or the
/// architecture's own name for it), <c>W_dec [d_sae, d_out]</c>, <c>b_dec</c>, the architecture's vectors and <c>W_skip</c>
/// in float32, <c>probes.safetensors</c> with what it computes for a few inputs, and <c>sae.json</c>, written last.
/// </summary>
internal static class SaeStorage
{
    internal const string ManifestName = "sae.json";
    internal const string WeightsName = "sae.safetensors";

    internal static void Save(string folder, SparseAutoencoder sae)
    {
        string manifest = Path.Combine(folder, ManifestName), file = Path.Combine(folder, WeightsName), probes = Path.Combine(folder, SaeProbes.FileName);
        if (File.Exists(manifest)) throw new UserErrorException($"{folder} already holds a sparse autoencoder ({ManifestName})", "choose another folder, or delete that one first");
        AtomicFile.MakeFolder(folder);
        using (DisposeScope scope = NewDisposeScope()) SafetensorsWriter.Write(file, Named(sae.Config, sae.Weights));
        SaeProbes.Of(sae).Write(probes);
        JsonFile.Write(manifest, new SaeFile { FormatVersion = SaeFile.CurrentVersion, Config = sae.Config, Provenance = sae.Provenance, WeightsSha256 = Hashing.OfFile(file), ProbesSha256 = Hashing.OfFile(probes) });
    }

    internal static (SaeFile Manifest, SaeWeights Weights) Load(string folder)
    {
        string path = Path.Combine(folder, ManifestName), weights = Path.Combine(folder, WeightsName);
        if (!File.Exists(path)) throw new UserErrorException($"{folder} holds no {ManifestName}: it is no sparse autoencoder, or one whose training has not finished", "check the path, or resume the training");
        SaeFile manifest = JsonFile.Read<SaeFile>(path);
        if (manifest.FormatVersion != SaeFile.CurrentVersion) throw new UserErrorException($"{path}: format_version is {manifest.FormatVersion}; this version reads {SaeFile.CurrentVersion}", "use the version of the tool that wrote it");
        manifest.Config.Check(path);
        using SafetensorsFile file = SafetensorsFile.Open(weights);
        if (Hashing.OfFile(weights) != manifest.WeightsSha256) throw new UserErrorException($"{weights} is not the file that {path} describes (its SHA-256 differs)", "copy the whole folder again");
        return (manifest, Read(file, manifest.Config));
    }

    /// <summary>The tensors of a file, in the orientation of SAELens.</summary>
    internal static IEnumerable<KeyValuePair<string, Tensor>> Named(SaeConfig config, SaeWeights weights)
    {
        SaeArchitecture architecture = SaeArchitecture.Of(config.Architecture);
        foreach ((string name, Tensor value) in weights.All(architecture.FeatureTensors))
        {
            yield return name switch
            {
                "encoder_rows" => new("W_enc", value.t()),
                "b_enc" => new(architecture.BiasName, value),
                _ => new(name, value),
            };
        }
    }

    private static SaeWeights Read(SafetensorsFile file, SaeConfig config)
    {
        SaeShape shape = SaeShape.Of(config);
        var weights = new SaeWeights(shape);
        try
        {
            using var gradients = no_grad();
            using DisposeScope scope = NewDisposeScope();
            foreach ((string name, Tensor to) in Named(config, weights)) to.copy_(Checked(file, name, to.shape));
        }
        catch
        {
            weights.Dispose();
            throw;
        }
        return weights;
    }

    private static Tensor Checked(SafetensorsFile file, string name, long[] shape)
    {
        SafetensorsEntry entry = file.Entry(name);
        if (!entry.Shape.SequenceEqual(shape) || entry.Element != TensorElement.Float32)
        {
            throw new UserErrorException(
                $"{file.Path}: {name} is {entry.Element.Name} [{string.Join(", ", entry.Shape)}]; it must be F32 [{string.Join(", ", shape)}] for this {ManifestName}",
                "the two files do not belong together; copy the whole folder again");
        }
        return file.Read(name);
    }
}
