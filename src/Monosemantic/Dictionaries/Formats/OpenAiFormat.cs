using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Runtime.Pickles;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// OpenAI's sparse_autoencoder: one <c>.pt</c> file, or a folder with nothing else of a known format than one. TopK models
/// normalise their inputs (mean and unbiased standard deviation, undone after decoding), ReLU models do not.
/// </summary>
internal sealed class OpenAiFormat : SaeFormat
{
    /// <inheritdoc/>
    public override string Name => "openai";

    /// <inheritdoc/>
    public override string Summary => "OpenAI sparse_autoencoder: TopK and ReLU state dicts of GPT-2 small";

    /// <inheritdoc/>
    public override string Layout => "a .pt file with pre_bias and latent_bias";

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files)
    {
        if (NameOf(files) is not { } name) return false;
        using MappedFile file = MappedFile.Open(files.Of(name));
        if (!file.Head(2).SequenceEqual("PK"u8) && !TorchLegacy.Is(file)) return false;
        using TorchFile state = TorchFile.Open(files.Of(name));
        return state.Contains("pre_bias") && state.Contains("latent_bias");
    }

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => NameOf(files) is { } name ? [name] : [];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        string path = files.Of(NameOf(files) ?? throw new UserErrorException($"{files.Path} is not one .pt file, nor a folder with one", "name the file itself"));
        using TorchFile file = TorchFile.Open(path);
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var root = (PickleDictionary)file.Root;
        string activation = (root.Find("activation") as PickleText)?.Value ?? "none";
        var state = root.Find("activation_state_dict") as PickleDictionary;
        int k = (state?.Find("k") as PickleInteger)?.Value is { } number && number > 0 && number <= int.MaxValue ? (int)number : 0;
        if (activation is not ("TopK" or "ReLU")) throw new UserErrorException($"{path}: the activation is {Printable.Of(activation)}; known are TopK and ReLU", "this cannot be computed here as the other tool does");
        if (activation == "TopK" && state?.Find("postact_fn") is not (null or PickleText { Value: "ReLU" })) throw new UserErrorException($"{path}: what follows TopK is not ReLU", "this cannot be computed here as the other tool does");
        string[] known = ["pre_bias", "latent_bias", "encoder.weight", "decoder.weight", "stats_last_nonzero", "latents_activation_frequency", "latents_mean_square", "activation", "activation_state_dict"];
        string[] unknown = [.. root.Entries.Select(entry => (entry.Key as PickleText)?.Value ?? "a number").Where(key => !known.Contains(key))];
        if (unknown.Length > 0) throw new UserErrorException($"{path}: {string.Join(", ", unknown.Take(5).Select(Printable.Of))} {(unknown.Length == 1 ? "is" : "are")} not known to the reader of {Name}: it could change what is computed", "ask for support of it");
        var weights = new ForeignTensors(file);
        if (weights.Shape("encoder.weight") is not [var f, var d]) throw new UserErrorException($"{path} has no matrix encoder.weight", "check that it is the right file");
        Dictionary<string, Tensor> tensors = new()
        {
            ["W_enc"] = weights.Take("encoder.weight", f, d).t(),
            ["b_enc"] = weights.Take("latent_bias", f),
            ["W_dec"] = weights.Take("decoder.weight", d, f).t(),
            ["b_dec"] = weights.Take("pre_bias", d),
        };
        bool topK = activation == "TopK";
        SaeConfig config = new() { Architecture = topK ? "topk" : "relu", DModel = (int)d, DSae = (int)f, K = k, InputNormalisation = topK ? InputNormalisation.LayerNorm : InputNormalisation.None };
        return SaeImport.Of(this, path, config, tensors, new SaeOrigin { Format = Name, Dtype = weights.CommonDtype });
    }

    // A folder with an ae.pt is dictionary_learning's.
    private static string? NameOf(SaeFiles files)
    {
        if (files.Single is { } single) return single;
        string[] candidates = [.. Directory.EnumerateFiles(files.Folder, "*.pt").Select(path => Path.GetFileName(path)).Where(name => name != "ae.pt")];
        bool other = SaeFormat.All.Any(format => format is not (OpenAiFormat or CircuitTracerFormat) && format.Recognises(files));
        return candidates.Length == 1 && !other ? candidates[0] : null;
    }
}
