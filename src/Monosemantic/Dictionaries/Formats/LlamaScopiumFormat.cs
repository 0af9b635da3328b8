using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// OpenMOSS' llamascopium: <c>config.json</c> and <c>sae_weights.safetensors</c>, relu, jumprelu and topk; b_D not
/// subtracted. Its scaling of inputs by an average length is folded, thresholds too, which its own code leaves out for
/// autoencoders; where decoder norms weigh in the activation, jumprelu thresholds are divided by them and topk is folded.
/// </summary>
internal sealed class LlamaScopiumFormat() : ConfiguredFormat("config.json", "sae_weights.safetensors")
{
    private const string Average = "dataset_average_activation_norm.";
    private static readonly string[] ThresholdNames = ["activation_function.log_jumprelu_threshold", "log_jumprelu_threshold"];

    /// <inheritdoc/>
    public override string Name => "llamascopium";

    /// <inheritdoc/>
    public override string Summary => "OpenMOSS llamascopium (current Llama Scope): relu, jumprelu and topk autoencoders and transcoders";

    /// <inheritdoc/>
    private protected override ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights)
    {
        if (cfg.Text("sae_type") is not (null or "sae")) throw cfg.Bad("sae_type", "known is sae");
        if (cfg.Flag("use_glu_encoder", false)) throw cfg.Bad("use_glu_encoder", "it must be false");
        string act = cfg.Text("act_fn") ?? (ThresholdNames.Any(weights.Has) ? "jumprelu" : "relu");
        if (act is not ("relu" or "jumprelu" or "topk")) throw cfg.Bad("act_fn", "known are relu, jumprelu and topk");
        int d = cfg.Required("d_model"), f = cfg.Count("d_sae") ?? cfg.Times("expansion_factor", d);
        string hook = cfg.Text("hook_point_in") ?? "", hookOut = cfg.Text("hook_point_out") ?? hook, norm = cfg.Text("norm_activation") ?? "inference";
        bool byNorm = cfg.Flag("sparsity_include_decoder_norm", false);
        if (norm is not ("inference" or "dataset-wise" or "token-wise")) throw cfg.Bad("norm_activation", "known are inference, dataset-wise and token-wise");
        if (norm == "token-wise" && hook != hookOut) throw cfg.Bad("norm_activation", "a transcoder's outputs have no such scale");
        SaeConfig config = new()
        {
            Architecture = act,
            DModel = d,
            DSae = f,
            K = act == "topk" ? cfg.Count("top_k") ?? 50 : 0,
            SubtractBDec = false,
            HookPoint = hook,
            HookPointOut = hookOut == hook ? null : hookOut,
            InputNormalisation = norm == "token-wise" ? InputNormalisation.ConstantNorm : InputNormalisation.None,
        };
        cfg.Pass(
            "top_k", "expansion_factor", "use_decoder_bias", "jumprelu_threshold_window", "dtype", "device", "device_type", "init_encoder_norm", "init_decoder_norm", "sae_pretrained_name_or_path", "use_triton_kernel", "sparsity_threshold_for_triton_spmm_kernel",
            "fp32_activation", "strict_loading", "model_name", "skip_bos");
        var notes = new List<string>();
        Dictionary<string, Tensor> tensors = Tensors(weights, config, norm == "dataset-wise", byNorm, notes);
        bool fold = byNorm && act == "topk";
        if (fold) notes.Add("decoder norms are folded into the encoder, as sparsity_include_decoder_norm asks for");
        SaeOrigin origin = new() { Format = Name, Model = cfg.Text("model_name") };
        return new(config, tensors, origin, notes, fold);
    }

    private static Dictionary<string, Tensor> Tensors(ForeignTensors weights, SaeConfig config, bool scaled, bool byNorm, List<string> notes)
    {
        (long d, long f) = (config.DModel, config.DSae);
        (double input, double output) = (Scale(weights, config.HookPoint, d, scaled), Scale(weights, config.HookPointOut ?? config.HookPoint, d, scaled));
        Tensor wDec = weights.Take("W_D", f, d) * (input / output);
        Dictionary<string, Tensor> tensors = new()
        {
            ["W_enc"] = weights.Take("W_E", d, f),
            ["b_enc"] = weights.Take("b_E", f) / input,
            ["W_dec"] = wDec,
            ["b_dec"] = weights.Has("b_D") ? weights.Take("b_D", d) / output : zeros(d),
        };
        if (scaled) notes.Add($"inputs are scaled by {input:R} and outputs by {output:R}: folded into biases and decoder");
        if (config.Architecture == "jumprelu")
        {
            Tensor threshold = weights.Take(ThresholdNames.First(name => weights.Has(name) || name == ThresholdNames[^1]), f).exp();
            tensors["threshold"] = byNorm ? threshold / (output * wDec.norm(1).clamp_min(1e-30)) : threshold / input;
        }
        return tensors;
    }

    private static double Scale(ForeignTensors weights, string hook, long d, bool scaled)
    {
        string name = Average + hook;
        if (!scaled)
        {
            weights.Pass(name);
            return 1;
        }
        double average = weights.Take(name).item<float>();
        return average > 0 && double.IsFinite(average) ? Math.Sqrt(d) / average : throw new UserErrorException($"{weights.Source}: {name} is {average}; it must be positive", "download the file again");
    }
}
