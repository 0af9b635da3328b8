using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>sparsify (EleutherAI): <c>cfg.json</c> and <c>sae.safetensors</c>, TopK and GroupMax, autoencoders and (skip) transcoders.</summary>
internal sealed class SparsifyFormat() : ConfiguredFormat("cfg.json", "sae.safetensors")
{
    /// <inheritdoc/>
    public override string Name => "sparsify";

    /// <inheritdoc/>
    public override string Summary => "sparsify: topk and groupmax, autoencoders and (skip) transcoders";

    /// <inheritdoc/>
    public override bool Writes => true;

    /// <inheritdoc/>
    private protected override ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights)
    {
        string activation = cfg.Text("activation") ?? "topk";
        if (activation is not ("topk" or "groupmax")) throw cfg.Bad("activation", "known are topk and groupmax");
        if (cfg.Flag("signed", false)) throw cfg.Bad("signed", "it must be false");
        bool transcode = cfg.Flag("transcode", false), skip = cfg.Flag("skip_connection", false);
        int d = cfg.Required("d_in"), f = cfg.Count("num_latents") is { } latents and > 0 ? latents : cfg.Has("expansion_factor") ? cfg.Times("expansion_factor", d) : (int)Math.Min(32L * d, int.MaxValue);
        SaeConfig config = new() { Architecture = activation, DModel = d, DSae = f, K = cfg.Count("k") ?? 32, SubtractBDec = !transcode, SkipConnection = skip, HookPoint = transcode ? "" : HookOf(files) };
        cfg.Pass("normalize_decoder", "multi_topk", "expansion_factor");
        Dictionary<string, Tensor> tensors = new() { ["W_enc"] = weights.Take("encoder.weight", f, d).t(), ["b_enc"] = weights.Take("encoder.bias", f), ["W_dec"] = weights.Take("W_dec", f, d), ["b_dec"] = weights.Take("b_dec", d) };
        if (skip) tensors["W_skip"] = weights.Take("W_skip", d, d);
        string[] notes = transcode ? ["a transcoder: its files do not say which hook points it reads and predicts"] : [];
        return new(config, tensors, new SaeOrigin { Format = Name }, notes);
    }

    /// <inheritdoc/>
    internal override SaePlan Plan(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        if (config.Sites > 1) throw CannotHold("a crosscoder");
        if (config.Architecture is not ("topk" or "groupmax")) throw CannotHold($"{config.Architecture}: it has topk and groupmax only");
        if (config.InputNormalisation != InputNormalisation.None) throw CannotHold("an autoencoder that normalises its inputs");
        if (config.Outputs != config.DModel) throw CannotHold($"a transcoder whose outputs ({config.Outputs}) are not as wide as its inputs ({config.DModel})");
        if (sae.Provenance.Origin is { InputsNeedScale: true }) throw CannotHold("that inputs must be scaled first");
        bool transcode = config.SkipConnection || (config.HookPointOut is { } output && output != config.HookPoint) || Own(sae, "transcode") is { ValueKind: JsonValueKind.True };
        return new((folder, dtype) =>
        {
            SparseAutoencoder written = CentringMove.To(sae, subtract: !transcode);
            var tensors = written.Tensors.Select(tensor => KeyValuePair.Create(tensor.Key switch { "W_enc" => "encoder.weight", "b_enc" => "encoder.bias", _ => tensor.Key }, tensor.Key == "W_enc" ? tensor.Value.t() : tensor.Value));
            Write(folder, written, sae, dtype.Cast(tensors), () => PythonJson.ToText(Config(written, transcode)));
        });
    }

    private static JsonObject Config(SparseAutoencoder sae, bool transcode)
    {
        SaeConfig config = sae.Config;
        using Tensor norms = sae.WDec.norm(1), off = norms.sub(1), size = off.abs(), largest = size.max();
        JsonNode? Kept(string key) => Own(sae, key) is { } value ? JsonNode.Parse(value.GetRawText()) : null;
        return new()
        {
            ["activation"] = config.Architecture,
            ["expansion_factor"] = Kept("expansion_factor") ?? Math.Max(1, config.DSae / config.DModel),
            ["normalize_decoder"] = Kept("normalize_decoder") ?? largest.item<float>() < 1e-3,
            ["num_latents"] = config.DSae,
            ["k"] = config.K,
            ["multi_topk"] = Kept("multi_topk") ?? false,
            ["skip_connection"] = config.SkipConnection,
            ["transcode"] = transcode,
            ["d_in"] = config.DModel,
        };
    }

    private static JsonElement? Own(SparseAutoencoder sae, string key) => sae.Provenance.Origin is { Format: "sparsify", Config: { } config } && config.TryGetProperty(key, out JsonElement value) ? value : null;

    // The folder is named after the module that was hooked; layers.N is the output of block N.
    private static string HookOf(SaeFiles files)
    {
        string[] parts = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(files.Folder))).Split('.');
        return parts is [.., "layers" or "h", var layer] && int.TryParse(layer, out int block) ? $"blocks.{block}.hook_resid_post"
            : parts is [.., "layers" or "h", var layer2, "mlp"] && int.TryParse(layer2, out int block2) ? $"blocks.{block2}.hook_mlp_out"
            : "";
    }
}
