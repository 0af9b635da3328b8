using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The native folder of a sparse autoencoder: <c>sae.safetensors</c> with <c>W_enc [d_model, d_sae]</c>, <c>b_enc</c>,
/// <c>W_dec [d_sae, d_model]</c> and <c>b_dec</c> in float32, and <c>sae.json</c>, written last.
/// </summary>
internal static class SaeStorage
{
    internal const string ManifestName = "sae.json";
    internal const string WeightsName = "sae.safetensors";

    internal static void Save(string folder, SaeConfig config, SaeProvenance provenance, SaeWeights weights)
    {
        string manifest = Path.Combine(folder, ManifestName), file = Path.Combine(folder, WeightsName);
        if (File.Exists(manifest)) throw new UserErrorException($"{folder} already holds a sparse autoencoder ({ManifestName})", "choose another folder, or delete that one first");
        AtomicFile.MakeFolder(folder);
        using (DisposeScope scope = NewDisposeScope())
        {
            SafetensorsWriter.Write(file, [new("W_enc", weights.Encoder.t()), new("b_enc", weights.BEnc), new("W_dec", weights.Decoder), new("b_dec", weights.BDec)]);
        }
        JsonFile.Write(manifest, new SaeFile { FormatVersion = SaeFile.CurrentVersion, Config = config, Provenance = provenance, WeightsSha256 = Hashing.OfFile(file) });
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

    private static SaeWeights Read(SafetensorsFile file, SaeConfig config)
    {
        using DisposeScope scope = NewDisposeScope();
        return SaeWeights.From(
            Checked(file, "W_enc", config.DModel, config.DSae),
            Checked(file, "b_enc", config.DSae),
            Checked(file, "W_dec", config.DSae, config.DModel),
            Checked(file, "b_dec", config.DModel));
    }

    private static Tensor Checked(SafetensorsFile file, string name, params long[] shape)
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
