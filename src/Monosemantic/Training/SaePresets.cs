using System.Collections.Immutable;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>
/// Settings that reproduce other tools' defaults, architecture by architecture, so that a run file need only name one
/// (<c>"preset": "saelens"</c>) and what differs from it.
/// </summary>
public static class SaePresets
{
    /// <summary>Names of the presets.</summary>
    public static ImmutableArray<string> Names { get; } = ["saelens", "dictionary_learning", "sparsify", "openai", "anthropic_2023", "anthropic_2024"];

    /// <summary>SAELens 6: no bound on decoder rows, initial length 0.1, losses per token, AuxK unnormalised.</summary>
    internal static SaeTrainingConfig SaeLens { get; } = new()
    {
        K = 100,
        Tokens = 2_000_000,
        Batch = 4096,
        Lr = 3e-4,
        LrWarmUpSteps = 0,
        LrDecayFraction = 0,
        RescaleByDecoderNorm = true,
        UnitNormDecoder = false,
        DecoderInitNorm = 0.1,
        BDecInit = DecoderBiasInit.Zero,
        InputScaling = InputScaling.None,
        AuxCoefficient = 1,
        AuxNormalisation = ErrorNormalisation.None,
        AuxRectified = false,
        AuxAddsBDec = true,
        AuxScalesWithDead = true,
        DeadAfterSteps = 1000,
        DeadBeforeBatch = true,
        GateTrainsDecoder = true,
        Seed = 42,
        Sparsity = new() { WeightedByDecoderNorm = true },
        BatchThreshold = new() { Update = ThresholdUpdate.EmaFromZero, Beta = 0.99 },
    };

    /// <summary>sparsify: fractions of variance, decoder rows of length 1, AuxK off, sign descent.</summary>
    internal static SaeTrainingConfig Sparsify { get; } = new()
    {
        Batch = 4096,
        Optimiser = OptimiserKind.Signum,
        LrWarmUpSteps = 0,
        LrDecayFraction = 0,
        ClipGradNorm = 0,
        BDecInit = DecoderBiasInit.Mean,
        InputScaling = InputScaling.None,
        LossNormalisation = ErrorNormalisation.TotalVariance,
        AuxCoefficient = 0,
        AuxNormalisation = ErrorNormalisation.TotalVariance,
        AuxAddsBDec = true,
        AuxScalesWithDead = true,
        AuxTrainsEncoder = false,
        MultiTopKTrainsEncoder = false,
        DeadAfterTokens = 10_000_000,
    };

    /// <summary>OpenAI: TopK on layer-normalised inputs with 256 auxiliary features and no clipping.</summary>
    private static SaeTrainingConfig OpenAi { get; } = new()
    {
        DSae = 32_768,
        Batch = 131_072,
        Lr = 1e-4,
        LrWarmUpSteps = 0,
        LrDecayFraction = 0,
        AdamEpsilon = 6.25e-10,
        ClipGradNorm = 0,
        InputScaling = InputScaling.LayerNorm,
        LossNormalisation = ErrorNormalisation.TotalVariance,
        AuxK = 256,
        DeadAfterTokens = 10_000_000,
    };

    /// <summary>Towards Monosemanticity: L1 on unit-norm decoder rows, resampling.</summary>
    private static SaeTrainingConfig Anthropic2023 { get; } = new()
    {
        Architecture = "relu",
        Batch = 8192,
        Lr = 1e-3,
        LrWarmUpSteps = 0,
        LrDecayFraction = 0,
        ClipGradNorm = 0,
        AuxCoefficient = 0,
        Resampling = new(),
        Sparsity = new() { Coefficient = 5, WeightedByDecoderNorm = false },
    };

    /// <summary>Anthropic's April 2024 update: L1 weighted by decoder norms, no bound on them, everything eased in and out.</summary>
    private static SaeTrainingConfig Anthropic2024 { get; } = new()
    {
        Architecture = "relu",
        Batch = 4096,
        Lr = 5e-5,
        LrWarmUpSteps = 0,
        LrDecayFraction = 0.2,
        SubtractBDec = false,
        UnitNormDecoder = false,
        DecoderInitNorm = 0.1,
        BDecInit = DecoderBiasInit.Zero,
        AuxCoefficient = 0,
        Sparsity = new() { Coefficient = 5, WarmUpFraction = 0.05, WeightedByDecoderNorm = true },
    };

    /// <summary>Settings of a preset for an architecture.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="architecture">The architecture, or null for the preset's own.</param>
    /// <exception cref="UserErrorException">There is no such preset, or the tool has no such architecture.</exception>
    public static SaeTrainingConfig Of(string name, string? architecture)
    {
        SaeTrainingConfig preset = name switch
        {
            "saelens" => SaeLens with { RescaleByDecoderNorm = architecture is null or "topk" or "batch_topk" or "matryoshka_batch_topk" },
            "dictionary_learning" => DictionaryLearning(architecture ?? "topk"),
            "sparsify" => Sparsify,
            "openai" => OpenAi,
            "anthropic_2023" => Anthropic2023,
            "anthropic_2024" => Anthropic2024,
            _ => throw new UserErrorException($"preset is \"{name}\"; it must be one of {string.Join(", ", Names)}", Suggestion.Nearest(name, Names) is { } near ? $"did you mean {near}?" : "leave it out for this tool's own defaults"),
        };
        return architecture is null ? preset : preset with { Architecture = SaeArchitecture.Of(architecture).Name };
    }

    /// <summary>dictionary_learning's defaults for what a trainer of its trains.</summary>
    internal static SaeTrainingConfig DictionaryLearning(string architecture)
    {
        SaeTrainingConfig common = new()
        {
            Architecture = architecture == "relu_april" ? "relu" : architecture,
            LrWarmUpSteps = 1000,
            LrWarmUpFromZero = true,
            LrDecayFraction = 0,
            AuxCoefficient = 1.0 / 32,
            DeadAfterTokens = 10_000_000,
            InputScaling = InputScaling.MeanSquare,
        };
        SaeTrainingConfig plain = common with { Lr = 1e-3, ClipGradNorm = 0, AuxCoefficient = 0, BDecInit = DecoderBiasInit.Zero, DecoderInitNorm = 0.1, Sparsity = new() { Coefficient = 0.1, WarmUpSteps = 2000, WeightedByDecoderNorm = false } };
        return architecture switch
        {
            "relu" => plain,
            "relu_april" => plain with { UnitNormDecoder = false, ClipGradNorm = 1, Sparsity = plain.Sparsity with { WeightedByDecoderNorm = true } },
            "gated" => plain with { Lr = 5e-5, AdamBeta1 = 0, DecoderInitNorm = 1 },
            "jumprelu" => common with
            {
                Lr = 7e-5,
                AdamBeta1 = 0,
                AuxCoefficient = 0,
                SubtractBDec = false,
                BDecInit = DecoderBiasInit.Zero,
                JumpRelu = new() { InitThreshold = 0.001, Bandwidth = 0.001, Parameter = ThresholdParameter.Direct, StepOnOutput = true },
                Sparsity = new() { Loss = SparsityLoss.TargetL0, WarmUpSteps = 2000, WeightedByDecoderNorm = false },
            },
            "matryoshka_batch_topk" => common with { Matryoshka = new() { Weights = [.. Enumerable.Repeat(1 / 25.0, 5)] } },
            _ => common,
        };
    }

    /// <summary>What <see cref="DictionaryLearning"/> calls the work of a trainer class.</summary>
    internal static string DictionaryLearningArchitecture(string trainer) => trainer switch
    {
        "StandardTrainer" or "PAnnealTrainer" => "relu",
        "StandardTrainerAprilUpdate" => "relu_april",
        "GatedSAETrainer" or "GatedAnnealTrainer" => "gated",
        "JumpReluTrainer" => "jumprelu",
        "TopKTrainer" => "topk",
        "BatchTopKTrainer" => "batch_topk",
        "MatryoshkaBatchTopKTrainer" => "matryoshka_batch_topk",
        _ => throw new UserErrorException($"the trainer class {trainer} of dictionary_learning is not known", "give the settings one by one"),
    };
}
