using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>Gemma Scope 2: <c>config.json</c> and <c>params.safetensors</c>, JumpReLU, with or without a linear skip connection, b_dec not subtracted.</summary>
internal sealed class GemmaScope2Format() : ConfiguredFormat("config.json", "params.safetensors")
{
    /// <inheritdoc/>
    public override string Name => "gemma_scope_2";

    /// <inheritdoc/>
    public override string Summary => "Gemma Scope 2: JumpReLU autoencoders and (skip) transcoders of Gemma 3";

    /// <inheritdoc/>
    private protected override ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights)
    {
        if (cfg.Text("architecture") is not ("jump_relu" or "jumprelu")) throw cfg.Bad("architecture", "known is jump_relu");
        string? read = cfg.Text("hf_hook_point_in"), predicted = cfg.Text("hf_hook_point_out");
        SaeOrigin origin = new() { Format = Name, Model = cfg.Text("model_name") };
        cfg.Pass("width", "l0", "type", "affine_connection", "layer", "site", "dtype");
        if (weights.Shape("w_enc") is { Length: 3 } layers) throw new UserErrorException($"{weights.Source} is a transcoder across {layers[0]} layers, which is not read in this format", "read are autoencoders and transcoders of one layer; a cross-layer transcoder of circuit-tracer's files is read if it is small");
        if (weights.Shape("w_enc") is not [var d, var f] || weights.Shape("w_dec") is not [_, var o]) throw new UserErrorException($"{weights.Source} has no matrices w_enc and w_dec", "check that it is the right file");
        Dictionary<string, Tensor> tensors = new()
        {
            ["W_enc"] = weights.Take("w_enc", d, f),
            ["W_dec"] = weights.Take("w_dec", f, o),
            ["b_enc"] = weights.Take("b_enc", f),
            ["b_dec"] = weights.Take("b_dec", o),
            ["threshold"] = weights.Take("threshold", f),
        };
        bool skip = weights.Has("affine_skip_connection");
        if (skip) tensors["W_skip"] = weights.Take("affine_skip_connection", d, o).t();
        SaeConfig config = new()
        {
            Architecture = "jumprelu",
            DModel = (int)d,
            DOut = o == d ? null : (int)o,
            DSae = (int)f,
            SubtractBDec = false,
            SkipConnection = skip,
            HookPoint = HookOf(read),
            HookPointOut = predicted is null || predicted == read ? null : HookOf(predicted),
        };
        return new(config, tensors, origin, []);
    }

    // Module paths of Hugging Face's Gemma 3; others are kept as they are.
    private static string HookOf(string? path)
    {
        string[] parts = (path ?? "").Split('.');
        int at = Array.IndexOf(parts, "layers");
        if (at < 0 || at + 1 >= parts.Length || !int.TryParse(parts[at + 1], out int layer)) return path ?? "";
        return string.Join('.', parts[(at + 2)..]) switch
        {
            "output" or "" => $"blocks.{layer}.hook_resid_post",
            "mlp.output" or "post_feedforward_layernorm.output" => $"blocks.{layer}.hook_mlp_out",
            "self_attn.o_proj.input" => $"blocks.{layer}.attn.hook_z",
            "pre_feedforward_layernorm.output" or "mlp.input" => $"blocks.{layer}.ln2.hook_normalized",
            _ => path!,
        };
    }
}
