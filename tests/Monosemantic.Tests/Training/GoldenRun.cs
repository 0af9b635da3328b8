using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>One array of a fixture and which of the learner's it is.</summary>
/// <param name="Name">Name in the fixture.</param>
/// <param name="Of">The learner's array, in the fixture's orientation.</param>
internal sealed record GoldenArray(string Name, Func<SaeWeights, Tensor> Of);

/// <summary>A training run that a reference implementation recorded: its settings in this library's words, its starting point, its arrays.</summary>
internal sealed record GoldenRun(SaeTrainingConfig Config, ImmutableArray<GoldenArray> Arrays, double Lr)
{
    private static GoldenArray[] SaeLensArrays(string bias, params string[] features) =>
    [
        new("W_enc", weights => weights.Encoder.t()), new(bias, weights => weights.BEnc), new("W_dec", weights => weights.Decoder), new("b_dec", weights => weights.BDec),
        .. features.Select((name, index) => new GoldenArray(name, weights => weights.Features[index])),
    ];

    private static GoldenArray[] LinearArrays(string bias, string decoderBias, params string[] features) =>
    [
        new("encoder.weight", weights => weights.Encoder), new(bias, weights => weights.BEnc), new("decoder.weight", weights => weights.Decoder.t()), new(decoderBias, weights => weights.BDec),
        .. features.Select((name, index) => new GoldenArray(name, weights => weights.Features[index])),
    ];

    internal static GoldenRun SaeLens(JsonElement run, int batch)
    {
        JsonElement cfg = run.GetProperty("config");
        string architecture = cfg.GetProperty("architecture").GetString()!;
        SaeTrainingConfig config = SaePresets.SaeLens with
        {
            Architecture = architecture switch { "standard" => "relu", "batchtopk" => "batch_topk", "matryoshka_batchtopk" => "matryoshka_batch_topk", _ => architecture },
            DSae = cfg.GetProperty("d_sae").GetInt32(),
            Batch = batch,
            K = Number(cfg, "k") ?? 1,
            SubtractBDec = cfg.GetProperty("apply_b_dec_to_input").GetBoolean(),
            RescaleByDecoderNorm = cfg.TryGetProperty("rescale_acts_by_decoder_norm", out JsonElement rescale) && rescale.GetBoolean(),
            AuxCoefficient = Number(cfg, "aux_loss_coefficient") ?? 0,
            ClipGradNorm = run.GetProperty("grad_clip_norm").GetDouble(),
            BatchThreshold = SaePresets.SaeLens.BatchThreshold with { Beta = 1 - (Number(cfg, "topk_threshold_lr") ?? 0.01) },
            Matryoshka = new() { Widths = cfg.TryGetProperty("matryoshka_widths", out JsonElement widths) ? [.. widths.EnumerateArray().Select(width => width.GetInt32())] : null },
            Sparsity = SaePresets.SaeLens.Sparsity with
            {
                Loss = cfg.TryGetProperty("jumprelu_sparsity_loss_mode", out JsonElement mode) ? mode.GetString() == "tanh" ? SparsityLoss.Tanh : SparsityLoss.Step : architecture == "standard" ? SparsityLoss.Lp : null,
                Coefficient = Number(run.GetProperty("coefficients"), "l1") ?? Number(run.GetProperty("coefficients"), "l0") ?? Number(cfg, "l1_coefficient") ?? Number(cfg, "l0_coefficient") ?? 1,
                P = Number(cfg, "lp_norm") ?? 1,
                TanhScale = Number(cfg, "jumprelu_tanh_scale") ?? 4,
            },
            JumpRelu = SaePresets.SaeLens.JumpRelu with { Bandwidth = Number(cfg, "jumprelu_bandwidth") ?? 1, PreActCoefficient = Number(cfg, "pre_act_loss_coefficient") ?? 0 },
        };
        return new(config, [.. architecture switch { "gated" => SaeLensArrays("b_gate", "b_mag", "r_mag"), "jumprelu" => SaeLensArrays("b_enc", "log_threshold"), _ => SaeLensArrays("b_enc") }], 1e-2);
    }

    internal static GoldenRun DictionaryLearning(JsonElement run, JsonElement trainer, int batch)
    {
        string kind = trainer.GetProperty("trainer_class").GetString()!;
        long? decay = trainer.TryGetProperty("decay_start", out JsonElement start) && start.ValueKind == JsonValueKind.Number ? start.GetInt64() : null;
        long steps = (long)(Number(trainer, "steps") ?? 1000);
        SaeTrainingConfig preset = SaePresets.DictionaryLearning(SaePresets.DictionaryLearningArchitecture(kind));
        SaeTrainingConfig config = preset with
        {
            DSae = trainer.GetProperty("dict_size").GetInt32(),
            Batch = batch,
            K = Number(trainer, "k") ?? 1,
            Lr = trainer.GetProperty("lr").GetDouble(),
            // The JumpReLU trainer's config leaves its warm-up out; the fixtures use that of the sparsity.
            LrWarmUpSteps = (long)(Number(trainer, "warmup_steps") ?? Number(trainer, "sparsity_warmup_steps") ?? preset.LrWarmUpSteps),
            LrDecayFraction = decay is { } from ? (steps - from) / (double)steps : 0,
            Steps = steps,
            AuxCoefficient = Number(trainer, "auxk_alpha") ?? 0,
            DeadAfterTokens = run.GetProperty("dead_feature_threshold_tokens").GetInt64(),
            BatchThreshold = preset.BatchThreshold with { Beta = Number(trainer, "threshold_beta") ?? 1, StartStep = (long)(Number(trainer, "threshold_start_step") ?? 0) },
            Sparsity = preset.Sparsity with
            {
                Coefficient = Number(run, "initial_sparsity_penalty") ?? Number(trainer, "l1_penalty") ?? Number(trainer, "sparsity_penalty") ?? 1,
                WarmUpSteps = (long)(Number(trainer, "sparsity_warmup_steps") ?? 0),
                TargetL0 = Number(trainer, "target_l0") ?? 20,
                P = Number(trainer, "p_start") ?? 1,
                Loss = trainer.TryGetProperty("sparsity_function", out JsonElement function) ? function.GetString() == "Lp" ? SparsityLoss.Lp : SparsityLoss.LpPower : preset.Sparsity.Loss,
                PAnnealing = Number(trainer, "p_end") is { } end ? new() { PEnd = end, Start = trainer.GetProperty("anneal_start").GetInt64(), Updates = trainer.GetProperty("n_sparsity_updates").GetInt32(), QueueLength = trainer.GetProperty("sparsity_queue_length").GetInt32() } : null,
            },
            JumpRelu = preset.JumpRelu with { Bandwidth = Number(trainer, "bandwidth") ?? 1 },
            Matryoshka = trainer.TryGetProperty("group_sizes", out JsonElement sizes) ? Groups(sizes, trainer.GetProperty("group_weights")) : new(),
        };
        GoldenArray[] arrays = kind switch
        {
            "JumpReluTrainer" => SaeLensArrays("b_enc", "threshold"),
            "MatryoshkaBatchTopKTrainer" => SaeLensArrays("b_enc"),
            "GatedSAETrainer" or "GatedAnnealTrainer" => LinearArrays("gate_bias", "decoder_bias", "mag_bias", "r_mag"),
            "TopKTrainer" or "BatchTopKTrainer" => LinearArrays("encoder.bias", "b_dec"),
            _ => LinearArrays("encoder.bias", "bias"),
        };
        return new(config, [.. arrays], config.PeakLr);
    }

    internal static GoldenRun Sparsify(JsonElement cfg, int batch)
    {
        SaeTrainingConfig config = SaePresets.Sparsify with
        {
            Architecture = cfg.GetProperty("activation").GetString()!,
            DSae = cfg.GetProperty("num_latents").GetInt32(),
            K = cfg.GetProperty("k").GetInt32(),
            Batch = batch,
            MultiTopK = cfg.GetProperty("multi_topk").GetBoolean() ? 4 : 1,
            SkipConnection = cfg.GetProperty("skip_connection").GetBoolean(),
            AuxCoefficient = 1.0 / 32,
            // The gradients were recorded before the trainer takes their part along the decoder rows off.
            UnitNormDecoder = false,
        };
        GoldenArray[] arrays =
        [
            new("encoder.weight", weights => weights.Encoder), new("encoder.bias", weights => weights.BEnc), new("W_dec", weights => weights.Decoder), new("b_dec", weights => weights.BDec),
            .. config.SkipConnection ? new GoldenArray[] { new("W_skip", weights => weights.Skip!) } : [],
        ];
        return new(config, [.. arrays], 0);
    }

    /// <summary>A learner with the recorded initial parameters.</summary>
    internal SaeLearner Start(SafetensorsFile expected, bool transcoder = false)
    {
        Tensor x = expected.Read("x");
        var learner = new SaeLearner(Config, (int)x.shape[1], threads: 2, dOut: transcoder ? (int)expected.Read("y").shape[1] : null);
        foreach (GoldenArray array in Arrays) array.Of(learner.Weights).copy_(expected.Read($"init.{array.Name}"));
        return learner;
    }

    private static MatryoshkaConfig Groups(JsonElement sizes, JsonElement weights)
    {
        int sum = 0;
        int[] ends = [.. sizes.EnumerateArray().Select(size => sum += size.GetInt32())];
        return new() { Widths = [.. ends], Weights = [.. weights.EnumerateArray().Select(weight => weight.GetDouble() / ends.Length)] };
    }

    private static double? Number(JsonElement element, string key) => element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
