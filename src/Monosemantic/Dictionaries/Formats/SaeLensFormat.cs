using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// SAELens: <c>cfg.json</c> and <c>sae_weights.safetensors</c>, inference files and training checkpoints, versions 3 to 6.
/// What training selects over a batch becomes the threshold that SAELens itself would save; decoder norms by which it
/// ranks features are folded; the factor of <c>activation_scaler.json</c> is folded, so that raw activations go in.
/// </summary>
internal sealed class SaeLensFormat() : ConfiguredFormat("cfg.json", "sae_weights.safetensors")
{
    /// <summary>The version whose files are written.</summary>
    internal const string Version = "6.18.0";

    private const string ScalerName = "activation_scaler.json";

    /// <inheritdoc/>
    public override string Name => "saelens";

    /// <inheritdoc/>
    public override string Summary => "SAELens 3 to 6: standard, gated, jumprelu, topk, batchtopk, matryoshka, matching pursuit, (skip) transcoders";

    /// <inheritdoc/>
    public override bool Writes => true;

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [.. base.Parts(files), .. files.Has(ScalerName) ? [ScalerName] : Array.Empty<string>()];

    /// <inheritdoc/>
    private protected override ForeignSae Take(SaeFiles files, ForeignConfig cfg, ForeignTensors weights)
    {
        SaeLensConfig read = SaeLensConfig.Of(cfg);
        var notes = new List<string>();
        Dictionary<string, Tensor> tensors = Tensors(weights, read, notes);
        SaeOrigin origin = read.Origin;
        if (origin.InputsNeedScale && tensors.ContainsKey("W_enc") && files.Has(ScalerName) && Scale(files.Of(ScalerName)) is { } scale)
        {
            Fold(tensors, scale);
            origin = origin with { InputsNeedScale = false };
            notes.Add($"the factor {scale:R} of {ScalerName}, by which inputs were multiplied, is folded into the weights");
        }
        if (read.RescalesByNorm) FoldNorms(tensors);
        if (read.RescalesByNorm) notes.Add("decoder norms are folded into the encoder, as rescale_acts_by_decoder_norm asks for");
        return new(read.Config, tensors, origin, notes);
    }

    /// <inheritdoc/>
    internal override SaePlan Plan(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        if (config.Sites > 1) throw CannotHold("a crosscoder");
        bool transcoder = config.SkipConnection || config.Outputs != config.DModel || (config.HookPointOut is { } output && output != config.HookPoint);
        if (transcoder && config.InputNormalisation != InputNormalisation.None) throw CannotHold("a transcoder that normalises its inputs");
        var losses = new List<string>();
        string name = ForeignName(config, transcoder, losses);
        if (config.Architecture == "matching_pursuit" && !config.SubtractBDec && sae.BDec.ne(0).any().item<bool>()) throw CannotHold("a matching pursuit that adds b_dec without subtracting it");
        return new((folder, dtype) =>
        {
            SparseAutoencoder written = transcoder ? CentringMove.To(sae, subtract: false) : sae;
            Write(folder, written, sae, dtype.Cast(written.Tensors), () => PythonJson.ToText(Config(written, name, transcoder, dtype)));
        }, [.. losses]);
    }

    /// <inheritdoc/>
    internal override SaePlan PlanTraining(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        if (config.Sites > 1 || config.SkipConnection || config.Outputs != config.DModel || (config.HookPointOut is { } output && output != config.HookPoint)) throw CannotHold("a training checkpoint of a transcoder or crosscoder");
        SaeLensCheckpoint checkpoint = SaeLensCheckpoint.Of(sae) ?? throw CannotHold($"a training checkpoint of {config.Architecture}");
        return new((folder, dtype) =>
        {
            Write(folder, sae, sae, dtype.Cast(checkpoint.Tensors(sae)), () => PythonJson.ToText(checkpoint.Config(Config(sae, checkpoint.Architecture, transcoder: false, dtype), sae)));
            AtomicFile.WriteText(Path.Combine(folder, ScalerName), PythonJson.ToText(new JsonObject { ["scaling_factor"] = null }));
        });
    }

    private static Dictionary<string, Tensor> Tensors(ForeignTensors weights, SaeLensConfig read, List<string> notes)
    {
        (long d, long f, long o) = (read.Config.DModel, read.Config.DSae, read.Config.Outputs);
        Dictionary<string, Tensor> tensors = new() { ["W_dec"] = weights.Take("W_dec", f, o), ["b_dec"] = weights.Take("b_dec", o) };
        if (read.Architecture == "matching_pursuit")
        {
            // Its decoder adds b_dec only where it was subtracted.
            if (!read.Config.SubtractBDec) tensors["b_dec"] = zeros(o);
            return tensors;
        }
        tensors["W_enc"] = weights.Take("W_enc", d, f);
        if (read.Architecture == "gated") foreach (string name in new[] { "b_gate", "b_mag", "r_mag" }) tensors[name] = weights.Take(name, f);
        else tensors["b_enc"] = weights.Take("b_enc", f);
        if (read.Architecture is "batchtopk" or "matryoshka_batchtopk")
        {
            tensors["threshold"] = BatchThreshold(weights, f, notes);
        }
        else if (read.Config.Architecture == "jumprelu")
        {
            tensors["threshold"] = weights.Has("log_threshold") ? weights.Take("log_threshold", f).exp() : weights.Take("threshold", f);
        }
        if (read.Config.SkipConnection) tensors["W_skip"] = weights.Take("W_skip", o, d);
        if (weights.Has("scaling_factor")) Finetuned(tensors, weights.Take("scaling_factor", f), notes);
        return tensors;
    }

    // It applies to what is ranked: where that is times the decoder norms, they are folded, and it stays.
    private static Tensor BatchThreshold(ForeignTensors weights, long f, List<string> notes)
    {
        Tensor threshold = weights.Take("topk_threshold").expand(f);
        notes.Add($"a training checkpoint: the selection over a batch is replaced by the averaged threshold {threshold[0].item<float>():R}, as SAELens does for inference");
        return threshold;
    }

    private static void FoldNorms(Dictionary<string, Tensor> tensors)
    {
        Tensor norms = tensors["W_dec"].norm(1).clamp_min(1e-8);
        tensors["W_enc"] = tensors["W_enc"] * norms;
        tensors["b_enc"] = tensors["b_enc"] * norms;
        tensors["W_dec"] = tensors["W_dec"] / norms.unsqueeze(1);
    }

    // Learned factors of versions before 6, applied to f before decoding.
    private static void Finetuned(Dictionary<string, Tensor> tensors, Tensor factors, List<string> notes)
    {
        if (factors.eq(1).all().item<bool>()) return;
        tensors["W_dec"] = tensors["W_dec"] * factors.unsqueeze(1);
        notes.Add("scaling_factor is folded into the decoder");
    }

    private static double? Scale(string path)
    {
        ForeignConfig scaler = ForeignConfig.Read(path);
        double? scale = scaler.Number("scaling_factor");
        scaler.End("saelens");
        return scale is null or > 0 && (scale is null || double.IsFinite(scale.Value)) ? scale : throw scaler.Bad("scaling_factor", "it must be a positive number");
    }

    private static void Fold(Dictionary<string, Tensor> tensors, double scale)
    {
        tensors["W_enc"] = tensors["W_enc"] * scale;
        tensors["W_dec"] = tensors["W_dec"] / scale;
        tensors["b_dec"] = tensors["b_dec"] / scale;
    }

    private string ForeignName(SaeConfig config, bool transcoder, List<string> losses)
    {
        string skip = config.SkipConnection ? "skip_" : "";
        switch (config.Architecture)
        {
            case "relu": return transcoder ? $"{skip}transcoder" : "standard";
            case "jumprelu": return transcoder ? $"jumprelu_{skip}transcoder" : "jumprelu";
            case "topk" or "gated" or "matching_pursuit" when !transcoder: return config.Architecture;
            case "topk":
                losses.Add($"SAELens has no TopK transcoder: as a {skip}transcoder every positive feature would fire, not the {config.K} largest");
                return $"{skip}transcoder";
            default: throw CannotHold($"{config.Architecture}{(transcoder ? " as a transcoder" : "")}");
        }
    }

    private static JsonObject Config(SparseAutoencoder sae, string architecture, bool transcoder, SaeDtype dtype)
    {
        SaeConfig config = sae.Config;
        JsonObject cfg = new()
        {
            ["d_in"] = config.DModel,
            ["d_sae"] = config.DSae,
            ["dtype"] = dtype.Long,
            ["device"] = "cpu",
            ["apply_b_dec_to_input"] = config.SubtractBDec,
            ["normalize_activations"] = config.InputNormalisation switch
            {
                InputNormalisation.LayerNorm => "layer_norm",
                InputNormalisation.ConstantNorm => "constant_norm_rescale",
                _ => sae.Provenance.Origin is { InputsNeedScale: true } ? "expected_average_only_in" : "none",
            },
            ["reshape_activations"] = config.HookPoint.EndsWith("hook_z", StringComparison.Ordinal) ? "hook_z" : "none",
            ["metadata"] = SaeLensConfig.Metadata(sae),
        };
        if (architecture == "topk") (cfg["k"], cfg["rescale_acts_by_decoder_norm"]) = (config.K, false);
        if (transcoder) cfg["d_out"] = config.Outputs;
        if (architecture == "matching_pursuit") (cfg["residual_threshold"], cfg["max_iterations"], cfg["stop_on_duplicate_support"]) = (config.ResidualThreshold, config.K > 0 ? config.K : null, true);
        cfg["architecture"] = architecture;
        return cfg;
    }
}
