using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// The first Llama Scope release: <c>hyperparams.json</c> and <c>checkpoints/final.safetensors</c>, JumpReLU with one
/// threshold. Its inputs are scaled to a mean length of sqrt(d) by the average length that the config gives; that is folded.
/// </summary>
internal sealed class LlamaScopeFormat() : ConfiguredFormat("hyperparams.json", "checkpoints/final.safetensors")
{
    /// <inheritdoc/>
    public override string Name => "llama_scope";

    /// <inheritdoc/>
    public override string Summary => "Llama Scope, first release: JumpReLU autoencoders and transcoders of Llama 3.1";

    /// <inheritdoc/>
    private protected override ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights)
    {
        int d = cfg.Required("d_model"), f = cfg.Count("d_sae") ?? cfg.Times("expansion_factor", d);
        if (cfg.Text("act_fn") is not (null or "jumprelu" or "relu")) throw cfg.Bad("act_fn", "known are jumprelu and relu");
        if (cfg.Flag("use_glu_encoder", false)) throw cfg.Bad("use_glu_encoder", "it must be false");
        if (cfg.Flag("apply_decoder_bias_to_pre_encoder", false)) throw cfg.Bad("apply_decoder_bias_to_pre_encoder", "it must be false");
        string hook = cfg.Text("hook_point_in") ?? "", hookOut = cfg.Text("hook_point_out") ?? hook;
        ForeignConfig? averages = cfg.Section("dataset_average_activation_norm");
        double scaleIn = Scale(averages, "in", d), scaleOut = Scale(averages, "out", d);
        double threshold = cfg.Number("jump_relu_threshold") ?? 0;
        cfg.Pass(
            "expansion_factor", "use_decoder_bias", "bias_init", "norm_activation", "decoder_exactly_fixed_norm", "l1_coefficient", "l1_coefficient_warmup_steps", "lp", "init_decoder_norm", "init_encoder_norm", "init_encoder_with_decoder_transpose", "top_k", "use_batch_norm_mse",
            "use_ghost_grads", "tp_size", "ddp_size", "device", "dtype", "seed", "sparsity_include_decoder_norm", "remove_gradient_parallel_to_decoder_directions", "sae_pretrained_name_or_path", "strict_loading", "k_warmup_steps", "d_encoder", "d_decoder", "jumprelu_threshold_window");
        Dictionary<string, Tensor> tensors = new()
        {
            ["W_enc"] = weights.Take("encoder.weight", f, d).t() * scaleIn,
            ["b_enc"] = weights.Take("encoder.bias", f),
            ["W_dec"] = weights.Take("decoder.weight", d, f).t() / scaleOut,
            ["b_dec"] = weights.Has("decoder.bias") ? weights.Take("decoder.bias", d) / scaleOut : zeros(d),
            ["threshold"] = full(f, (float)(threshold * scaleIn), ScalarType.Float32),
        };
        SaeConfig config = new() { Architecture = "jumprelu", DModel = d, DSae = f, SubtractBDec = false, HookPoint = hook, HookPointOut = hookOut == hook ? null : hookOut };
        SaeOrigin origin = new() { Format = Name, InputsNeedScale = averages is null };
        string[] notes = averages is null ? [] : [$"inputs are scaled by {scaleIn:R} and outputs by {scaleOut:R} (sqrt(d) by the average lengths of the config): folded into the weights"];
        return new(config, tensors, origin, notes);
    }

    private static double Scale(ForeignConfig? averages, string side, int d)
    {
        if (averages is null) return 1;
        double average = averages.Number(side) ?? throw averages.Bad(side, "it must be a number");
        return average > 0 && double.IsFinite(average) ? Math.Sqrt(d) / average : throw averages.Bad(side, "it must be positive");
    }
}
