using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;
using Monosemantic.Runtime.Pickles;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// dictionary_learning: <c>ae.pt</c> and <c>config.json</c>, every dict_class. What it selects over a batch in training is a
/// threshold in inference, so those become jumprelu. A backup written in mid-training holds the factor that inputs were
/// divided by; it is multiplied into the biases, as the library itself does at the end of a training.
/// </summary>
internal sealed class DictionaryLearningFormat : SaeFormat
{
    private const string ConfigName = "config.json", WeightsName = "ae.pt";

    private static readonly string[] InertKeys =
    [
        "trainer_class", "lr", "l1_penalty", "l1_penalty_warmup", "warmup_steps", "resample_steps", "sparsity_warmup_steps", "steps", "decay_start", "seed", "device", "wandb_name", "bandwidth", "sparsity_penalty", "target_l0", "auxk_alpha",
        "threshold_beta", "threshold_start_step", "top_k_aux", "k", "k_anneal_steps", "group_fractions", "group_weights", "group_sizes", "sparsity_function", "initial_sparsity_penalty", "p_start", "p_end", "anneal_start", "anneal_end", "sparsity_queue_length",
        "n_sparsity_updates", "lambda_warm_steps", "sparsity_penalty_warmup", "initial_coefficients", "betas", "layer", "submodule_name",
    ];

    /// <inheritdoc/>
    public override string Name => "dictionary_learning";

    /// <inheritdoc/>
    public override string Summary => "dictionary_learning: AutoEncoder, AutoEncoderNew, Gated, JumpRelu, TopK, BatchTopK, MatryoshkaBatchTopK";

    /// <inheritdoc/>
    public override string Layout => $"{WeightsName} + {ConfigName}";

    /// <inheritdoc/>
    public override bool Writes => true;

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files) => files.Has(WeightsName) && files.Has(ConfigName);

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [ConfigName, WeightsName];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        ForeignConfig whole = ForeignConfig.Read(files.Of(ConfigName)), trainer = whole.Section("trainer") ?? throw new UserErrorException($"{files.Of(ConfigName)} has no trainer", "check that the file is whole");
        using TorchFile file = TorchFile.Open(files.Of(WeightsName));
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var notes = new List<string>();
        string kind = trainer.Text("dict_class") ?? throw trainer.Bad("dict_class", "it must name a class");
        int? d = trainer.Count("activation_dim"), f = trainer.Count("dict_size"), layer = trainer.Count("layer");
        SaeOrigin origin = new() { Format = Name, Model = trainer.Text("lm_name"), ContextSize = whole.Section("buffer")?.Count("ctx_len"), Config = whole.Root };
        string hook = trainer.Text("submodule_name") is { } module && layer is { } number ? HookOf(module, number) : "";
        trainer.Pass(InertKeys);
        trainer.End(Name);
        whole.Pass("buffer");
        whole.End(Name);
        bool backup = file.Root is PickleDictionary root && root.Find("ae") is PickleDictionary;
        var weights = new ForeignTensors(file, backup ? "ae." : "");
        (SaeConfig config, Dictionary<string, Tensor> tensors, double? threshold) = Tensors(weights, kind, d, f, trainer, notes);
        weights.End(Name);
        if (backup) Unscale(tensors, (PickleDictionary)file.Root, notes);
        return SaeImport.Of(this, files.Of(WeightsName), config with { HookPoint = hook }, tensors, origin with { Threshold = threshold, Dtype = weights.CommonDtype }, notes);
    }

    /// <inheritdoc/>
    internal override SaePlan Plan(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        if (config.Sites > 1) throw CannotHold("a crosscoder");
        if (config.SkipConnection || config.Outputs != config.DModel || (config.HookPointOut is { } output && output != config.HookPoint)) throw CannotHold("a transcoder");
        if (config.InputNormalisation != InputNormalisation.None) throw CannotHold("an autoencoder that normalises its inputs");
        if (sae.Provenance.Origin is { InputsNeedScale: true }) throw CannotHold("that inputs must be scaled first");
        DictionaryLearningExport export = DictionaryLearningExport.Of(sae) ?? throw CannotHold(config.Architecture);
        return new((folder, dtype) =>
        {
            SparseAutoencoder written = CentringMove.To(sae, export.Centres);
            try
            {
                using DisposeScope scope = NewDisposeScope();
                TorchWriter.WriteStateDict(Path.Combine(folder, WeightsName), dtype.Cast(export.State(written)));
                AtomicFile.WriteText(Path.Combine(folder, ConfigName), PythonJson.ToText(export.Config(written), indent: 4));
            }
            finally
            {
                if (!ReferenceEquals(written, sae)) written.Dispose();
            }
        });
    }

    private static (SaeConfig, Dictionary<string, Tensor>, double?) Tensors(ForeignTensors weights, string kind, int? activationDim, int? dictSize, ForeignConfig trainer, List<string> notes)
    {
        bool linear = kind is not ("JumpReluAutoEncoder" or "MatryoshkaBatchTopKSAE");
        long[] shape = weights.Shape(linear ? "encoder.weight" : "W_enc") is [var rows, var columns] ? linear ? [columns, rows] : [rows, columns] : [activationDim ?? 0, dictSize ?? 0];
        (long d, long f) = (shape[0], shape[1]);
        if (activationDim is { } width && width != d) throw trainer.Bad("activation_dim", $"the weights are for {d}");
        if (dictSize is { } size && size != f) throw trainer.Bad("dict_size", $"the weights have {f} features");
        Dictionary<string, Tensor> tensors = linear
            ? new() { ["W_enc"] = weights.Take("encoder.weight", f, d).t(), ["W_dec"] = weights.Take("decoder.weight", d, f).t() }
            : new() { ["W_enc"] = weights.Take("W_enc", d, f), ["W_dec"] = weights.Take("W_dec", f, d) };
        SaeConfig config = new() { Architecture = "relu", DModel = (int)d, DSae = (int)f };
        double? threshold = null;
        switch (kind)
        {
            case "AutoEncoder":
                (tensors["b_enc"], tensors["b_dec"]) = (weights.Take("encoder.bias", f), weights.Take("bias", d));
                break;
            case "AutoEncoderNew":
                (tensors["b_enc"], tensors["b_dec"]) = (weights.Take("encoder.bias", f), weights.Take("decoder.bias", d));
                config = config with { SubtractBDec = false };
                break;
            case "GatedAutoEncoder":
                foreach ((string to, string from) in new[] { ("b_gate", "gate_bias"), ("b_mag", "mag_bias"), ("r_mag", "r_mag") }) tensors[to] = weights.Take(from, f);
                tensors["b_dec"] = weights.Take("decoder_bias", d);
                config = config with { Architecture = "gated" };
                break;
            case "JumpReluAutoEncoder":
                (tensors["b_enc"], tensors["b_dec"], tensors["threshold"]) = (weights.Take("b_enc", f), weights.Take("b_dec", d), weights.Take("threshold", f));
                config = config with { Architecture = "jumprelu", SubtractBDec = false };
                break;
            case "AutoEncoderTopK" or "BatchTopKSAE" or "MatryoshkaBatchTopKSAE":
                (tensors["b_enc"], tensors["b_dec"]) = (weights.Take(linear ? "encoder.bias" : "b_enc", f), weights.Take("b_dec", d));
                threshold = weights.Has("threshold") ? weights.Take("threshold").item<float>() : null;
                weights.Pass("group_sizes");
                config = Selecting(config, kind, weights.Integer("k") ?? trainer.Required("k"), threshold, tensors, weights.Source, notes);
                break;
            default:
                throw trainer.Bad("dict_class", "known are AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder, AutoEncoderTopK, BatchTopKSAE and MatryoshkaBatchTopKSAE");
        }
        return (config, tensors, threshold);
    }

    private static SaeConfig Selecting(SaeConfig config, string kind, long k, double? threshold, Dictionary<string, Tensor> tensors, string source, List<string> notes)
    {
        if (kind == "AutoEncoderTopK") return config with { Architecture = "topk", K = (int)Math.Clamp(k, 0, int.MaxValue) };
        if (threshold is not { } bar) throw new UserErrorException($"{source} has no threshold, without which a {kind} needs the whole batch to encode a token", "train it on for some steps with a current version of dictionary_learning");
        if (bar < 0) notes.Add($"its threshold was never set ({bar.ToString("R", CultureInfo.InvariantCulture)}): every positive activation fires");
        tensors["threshold"] = full(config.DSae, (float)bar, ScalarType.Float32);
        return config with { Architecture = "jumprelu" };
    }

    // Biases, and thresholds from 0 on, take the factor; nothing else does, as all the rest is linear.
    private static void Unscale(Dictionary<string, Tensor> tensors, PickleDictionary root, List<string> notes)
    {
        double? factor = root.Find("norm_factor") switch { PickleNumber number => number.Value, PickleInteger whole => (double)whole.Value, _ => null };
        if (factor is not { } scale || scale == 1) return;
        foreach (string name in new[] { "b_enc", "b_dec", "b_gate", "b_mag" })
        {
            if (tensors.TryGetValue(name, out Tensor? bias)) tensors[name] = bias * scale;
        }
        if (tensors.TryGetValue("threshold", out Tensor? threshold)) tensors["threshold"] = where(threshold.ge(0), threshold * scale, threshold);
        notes.Add($"a backup written while training: norm_factor {scale:R}, by which inputs were divided, is multiplied into the biases");
    }

    // Module paths of the models that such dictionaries are trained on; a path that is none of them is left open.
    private static string HookOf(string module, int layer)
    {
        string place = module.StartsWith("resid_post", StringComparison.Ordinal) ? "hook_resid_post" : module.StartsWith("mlp_out", StringComparison.Ordinal) ? "hook_mlp_out" : module.StartsWith("attention_out", StringComparison.Ordinal) || module.StartsWith("attn_out", StringComparison.Ordinal) ? "hook_attn_out" : "";
        return place.Length > 0 && (module.EndsWith($"_{layer}", StringComparison.Ordinal) || !char.IsAsciiDigit(module[^1])) ? $"blocks.{layer}.{place}" : module.StartsWith("blocks.", StringComparison.Ordinal) ? module : "";
    }
}
