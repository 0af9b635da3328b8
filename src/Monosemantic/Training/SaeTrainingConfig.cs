using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>How activations are scaled before training; the scale is folded into the finished weights.</summary>
public enum InputScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>By one factor, so that the mean length of an activation becomes sqrt(d_model). Source: SAELens, expected_average_only_in.</summary>
    MeanNormSqrtD,

    /// <summary>By one factor, so that the mean squared length becomes 1. Source: dictionary_learning.</summary>
    MeanSquare,

    /// <summary>Each row by its own mean and standard deviation; the result does so too. Source: OpenAI, SAELens layer_norm.</summary>
    LayerNorm,

    /// <summary>By the inverse square root of their covariance, so that all directions have variance 1; estimated on the first 64 batches and folded at the end.</summary>
    Whitening,
}

/// <summary>The learning rate's way down.</summary>
public enum LrDecay
{
    /// <summary>A straight line.</summary>
    Linear,

    /// <summary>Half a wave of a cosine.</summary>
    Cosine,
}

/// <summary>What the decoder bias starts from.</summary>
public enum DecoderBiasInit
{
    /// <summary>Zero.</summary>
    Zero,

    /// <summary>The mean of the first batch.</summary>
    Mean,

    /// <summary>The geometric median of the first batch (Weiszfeld, at most 100 iterations). Source: dictionary_learning.</summary>
    GeometricMedian,
}

/// <summary>What a squared error is divided by.</summary>
public enum ErrorNormalisation
{
    /// <summary>The number of tokens: the mean over tokens of the squared length of the error.</summary>
    None,

    /// <summary>The batch's sum of squared distances from its mean, which makes the loss a fraction of variance unexplained. Source: sparsify.</summary>
    TotalVariance,

    /// <summary>The same sum of the main reconstruction's residual. Only for the auxiliary loss. Source: dictionary_learning, OpenAI.</summary>
    ResidualVariance,
}

/// <summary>
/// Everything that decides how a sparse autoencoder is trained: the run file (JSON), the trainer's input and the provenance
/// saved with the result. Unknown keys are errors; every key has a default.
/// </summary>
public sealed record SaeTrainingConfig
{
    /// <summary>Architecture, one of <c>list architectures</c>; default topk.</summary>
    public string Architecture { get; init; } = "topk";

    /// <summary>Number of features; default 2048.</summary>
    public int DSae { get; init; } = 2048;

    /// <summary>Features that fire for one token: at most (topk), on average over a batch (batch_topk, where it may be a fraction), most rounds (matching_pursuit, 0 for d_model); default 32.</summary>
    public double K { get; init; } = 32;

    /// <summary>Steps over which k falls linearly from d_model to its value; default 0: it is the same from the start.</summary>
    public long KAnnealSteps { get; init; }

    /// <summary>Whether features are ranked by activation times the length of their decoder row, where rows are not kept at length 1; default false (SAELens: true).</summary>
    public bool RescaleByDecoderNorm { get; init; }

    /// <summary>How many times k a second reconstruction of a topk has, learned beside the first; default 1: there is none. Source: OpenAI, sparsify (4).</summary>
    public int MultiTopK { get; init; } = 1;

    /// <summary>Weight of that second reconstruction's error; default 1/8.</summary>
    public double MultiTopKWeight { get; init; } = 0.125;

    /// <summary>Whether that second reconstruction trains the encoder too, not only the decoder; default true (sparsify: false).</summary>
    public bool MultiTopKTrainsEncoder { get; init; } = true;

    /// <summary>Whether a gated autoencoder's second reconstruction trains the decoder too; default false (SAELens: true).</summary>
    public bool GateTrainsDecoder { get; init; }

    /// <summary>Gradient of a ProLU's bias; default ste.</summary>
    public ProLuGradient ProLuGradient { get; init; } = ProLuGradient.Ste;

    /// <summary>Residual length at which matching pursuit ends, 0 for never; default 0.01.</summary>
    public double ResidualThreshold { get; init; } = 0.01;

    /// <summary>Whether W_skip x is added to the output of a transcoder; default false.</summary>
    public bool SkipConnection { get; init; }

    /// <summary>Whether the decoder bias is subtracted before encoding; default true, but never for a transcoder.</summary>
    public bool SubtractBDec { get; init; } = true;

    /// <summary>The sparsity loss.</summary>
    public SparsityConfig Sparsity { get; init; } = new();

    /// <summary>What only a JumpReLU has.</summary>
    public JumpReluConfig JumpRelu { get; init; } = new();

    /// <summary>How batch_topk and matryoshka_batch_topk learn the threshold that they are saved with.</summary>
    public BatchThresholdConfig BatchThreshold { get; init; } = new();

    /// <summary>What only a matryoshka has.</summary>
    public MatryoshkaConfig Matryoshka { get; init; } = new();

    /// <summary>Replacing of dead features; default null: none.</summary>
    public ResamplingConfig? Resampling { get; init; }

    /// <summary>Optimiser steps; default null: as many as <see cref="Tokens"/> need.</summary>
    public long? Steps { get; init; }

    /// <summary>Tokens to train on, repeats counted, where steps is null; default 4,000,000.</summary>
    public long Tokens { get; init; } = 4_000_000;

    /// <summary>Tokens in a batch; default 2048.</summary>
    public int Batch { get; init; } = 2048;

    /// <summary>Learning rate of Adam; default null: 2e-4 / sqrt(d_sae / 2^14), the rule of dictionary_learning.</summary>
    public double? Lr { get; init; }

    /// <summary>Steps over which the learning rate rises linearly to its full value; default 100.</summary>
    public long LrWarmUpSteps { get; init; } = 100;

    /// <summary>Whether the very first step has a learning rate of 0, as in dictionary_learning; default false: it has 1/warm-up of the full one.</summary>
    public bool LrWarmUpFromZero { get; init; }

    /// <summary>How the learning rate falls at the end; default linear.</summary>
    public LrDecay LrDecay { get; init; } = LrDecay.Linear;

    /// <summary>Share of the steps, at the end, over which the learning rate falls to 0; default 0.2.</summary>
    public double LrDecayFraction { get; init; } = 0.2;

    /// <summary>Rule for updating parameters; default adam.</summary>
    public OptimiserKind Optimiser { get; init; } = OptimiserKind.Adam;

    /// <summary>Share of the average of gradients that signum and muon keep at each step; default 0.95.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Decay of Adam's mean of gradients per step; default 0.9.</summary>
    public double AdamBeta1 { get; init; } = 0.9;

    /// <summary>Decay of Adam's mean of squared gradients per step; default 0.999.</summary>
    public double AdamBeta2 { get; init; } = 0.999;

    /// <summary>What Adam adds to its denominator; default 1e-8.</summary>
    public double AdamEpsilon { get; init; } = 1e-8;

    /// <summary>Greatest length of the whole gradient, which is scaled down to it; 0 for no limit; default 1.</summary>
    public double ClipGradNorm { get; init; } = 1;

    /// <summary>What the reconstruction error is divided by, <c>none</c> (tokens) or <c>total_variance</c>; default none.</summary>
    public ErrorNormalisation LossNormalisation { get; init; } = ErrorNormalisation.None;

    /// <summary>Weight of the auxiliary loss, in which dead features reconstruct the residual; 0 for none; default 1/32.</summary>
    public double AuxCoefficient { get; init; } = 1.0 / 32;

    /// <summary>Most dead features of a token in the auxiliary loss; default null: d_model / 2.</summary>
    public int? AuxK { get; init; }

    /// <summary>What the auxiliary error is divided by; default residual_variance.</summary>
    public ErrorNormalisation AuxNormalisation { get; init; } = ErrorNormalisation.ResidualVariance;

    /// <summary>Whether dead features with negative pre-activations are left out of the auxiliary loss; default true (SAELens: false).</summary>
    public bool AuxRectified { get; init; } = true;

    /// <summary>Whether the auxiliary reconstruction includes the decoder bias; default false (SAELens and sparsify: true).</summary>
    public bool AuxAddsBDec { get; init; }

    /// <summary>Whether the auxiliary loss is scaled by min(dead features / aux_k, 1); default false (SAELens and sparsify: true).</summary>
    public bool AuxScalesWithDead { get; init; }

    /// <summary>Whether the auxiliary loss trains the dead features' encoder too, not only their decoder rows; default true (sparsify: false).</summary>
    public bool AuxTrainsEncoder { get; init; } = true;

    /// <summary>Weight of the ghost gradients of dead features; default 0: there are none. Source: SAELens up to version 5 (1).</summary>
    public double GhostGradients { get; init; }

    /// <summary>Tokens without firing after which a feature counts as dead; default 500,000.</summary>
    public long DeadAfterTokens { get; init; } = 500_000;

    /// <summary>Steps without firing after which a feature counts as dead, in place of the tokens; default null.</summary>
    public long? DeadAfterSteps { get; init; }

    /// <summary>Whether a batch's own firings count only from the next batch on, as in SAELens; default false.</summary>
    public bool DeadBeforeBatch { get; init; }

    /// <summary>Whether decoder rows are kept at length 1, and their gradients free of the component along them; default true.</summary>
    public bool UnitNormDecoder { get; init; } = true;

    /// <summary>Scaling of the activations; default mean_norm_sqrt_d.</summary>
    public InputScaling InputScaling { get; init; } = InputScaling.MeanNormSqrtD;

    /// <summary>Length of the decoder rows at the start; default 1 (SAELens: 0.1). The encoder is their transpose.</summary>
    public double DecoderInitNorm { get; init; } = 1;

    /// <summary>Folder of a sparse autoencoder to start from; default null: random directions.</summary>
    public string? InitFrom { get; init; }

    /// <summary>What the decoder bias starts from; default geometric_median.</summary>
    public DecoderBiasInit BDecInit { get; init; } = DecoderBiasInit.GeometricMedian;

    /// <summary>Seed of the initial weights; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>Seed of the order of the activations; default null: that of the weights. Runs that are to share one pass need the same.</summary>
    public long? DataSeed { get; init; }

    /// <summary>Steps between lines of the log; default 50.</summary>
    public long LogEvery { get; init; } = 50;

    /// <summary>Newest checkpoints that are kept; default 2.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Steps between checkpoints; 0 for none but on interruption; default 500.</summary>
    public long CheckpointEvery { get; init; } = 500;

    /// <summary>Optimiser steps in all.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long TotalSteps => Steps ?? Math.Max(1, (Tokens + Batch - 1) / Math.Max(Batch, 1));

    /// <summary>The learning rate in force after warm-up and before decay.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public double PeakLr => Lr ?? 2e-4 / Math.Sqrt(DSae / 16384.0);

    /// <summary>What an architecture's rule needs to know.</summary>
    /// <param name="sites">Vectors that a row consists of.</param>
    internal RuleOptions RuleOptions(int sites = 1) => new()
    {
        Sparsity = Sparsity.Loss ?? DefaultSparsity,
        WeightedByNorm = Sparsity.WeightedByDecoderNorm ?? !UnitNormDecoder,
        TanhScale = Sparsity.TanhScale,
        TargetL0 = Sparsity.TargetL0,
        StepOnOutput = JumpRelu.StepOnOutput,
        Bandwidth = JumpRelu.Bandwidth,
        Threshold = JumpRelu.Parameter,
        PreActCoefficient = JumpRelu.PreActCoefficient,
        ProLu = ProLuGradient,
        RankByNorm = RescaleByDecoderNorm,
        MultiTopK = MultiTopK,
        MultiTopKTrainsEncoder = MultiTopKTrainsEncoder,
        Sites = sites,
    };

    /// <summary>Features per token at a step.</summary>
    internal double KAt(long step, int dModel)
    {
        if (KAnnealSteps == 0) return K;
        double share = Math.Min(step, KAnnealSteps) / (double)KAnnealSteps;
        return share >= 1 ? K : Math.Min(DSae, (int)((dModel * (1 - share)) + (K * share)));
    }

    /// <summary>Ends of the nested prefixes of features; d_sae alone but for a matryoshka.</summary>
    internal int[] LevelWidths()
    {
        if (Architecture != "matryoshka_batch_topk") return [DSae];
        int[] widths = Matryoshka.Widths is { } given ? [.. given] : [.. Enumerable.Range(1, 4).Select(halving => DSae >> (5 - halving)).Where(width => width > 0).Distinct()];
        return widths.Length > 0 && widths[^1] == DSae ? widths : [.. widths, DSae];
    }

    /// <summary>Weight of a prefix' squared error.</summary>
    internal double LevelWeight(int level, int levels) => levels > 1 && Matryoshka.Weights is { } weights ? weights[level] : 1;

    private SparsityLoss DefaultSparsity => Architecture switch
    {
        "relu" or "gated" or "prolu" => SparsityLoss.L1,
        "jumprelu" => SparsityLoss.Step,
        _ => SparsityLoss.None,
    };

    /// <summary>Reads a run file, filling in the preset that its key <c>preset</c> names.</summary>
    /// <param name="path">A JSON file.</param>
    /// <exception cref="UserErrorException">It is missing, malformed, or has unknown keys or values that are not allowed.</exception>
    public static SaeTrainingConfig Load(string path)
    {
        JsonObject settings = JsonFile.Read<JsonObject>(path);
        SaeTrainingConfig config = JsonFile.Parse<SaeTrainingConfig>(JsonSerializer.SerializeToUtf8Bytes(SaePresets.Expand(settings), JsonFile.Options), path);
        config.Check(path);
        return config;
    }

    /// <summary>Everything that is wrong with the values, one line each; empty where all is well.</summary>
    public ImmutableArray<string> Problems() =>
    [
        .. new SaeConfig { Architecture = Architecture, DModel = 1, DSae = DSae, K = (int)Math.Ceiling(Math.Clamp(K, -1, int.MaxValue)) }.Problems(),
        .. new (bool Wrong, string Problem)[]
        {
            (Steps < 1, $"steps is {Steps}; it must be at least 1"),
            (Tokens < 1, $"tokens is {Tokens}; it must be at least 1"),
            (Batch < 1, $"batch is {Batch}; it must be at least 1"),
            (!(PeakLr >= 0 && double.IsFinite(PeakLr)), $"lr is {Lr}; it must be a number from 0"),
            (LrWarmUpSteps < 0, $"lr_warm_up_steps is {LrWarmUpSteps}; it must be at least 0"),
            (!(LrDecayFraction is >= 0 and <= 1), $"lr_decay_fraction is {LrDecayFraction}; it must be 0..1"),
            (!(AdamBeta1 is >= 0 and < 1), $"adam_beta1 is {AdamBeta1}; it must be 0 or more and below 1"),
            (!(AdamBeta2 is >= 0 and < 1), $"adam_beta2 is {AdamBeta2}; it must be 0 or more and below 1"),
            (!(AdamEpsilon > 0), $"adam_epsilon is {AdamEpsilon}; it must be above 0"),
            (!(ClipGradNorm >= 0), $"clip_grad_norm is {ClipGradNorm}; it must be at least 0"),
            (!(AuxCoefficient >= 0 && double.IsFinite(AuxCoefficient)), $"aux_coefficient is {AuxCoefficient}; it must be at least 0"),
            (AuxK < 1, $"aux_k is {AuxK}; it must be at least 1"),
            (LossNormalisation == ErrorNormalisation.ResidualVariance, "loss_normalisation is residual_variance; it must be none or total_variance"),
            (!(K >= 0), $"k is {K}; it must be at least 0"),
            (KAnnealSteps < 0, $"k_anneal_steps is {KAnnealSteps}; it must be at least 0"),
            (MultiTopK < 1 || (MultiTopK > 1 && Architecture != "topk"), $"multi_top_k is {MultiTopK}; it must be at least 1, and 1 for all but topk"),
            (RescaleByDecoderNorm && Architecture is not ("topk" or "batch_topk" or "matryoshka_batch_topk"), $"rescale_by_decoder_norm is true; {Architecture} does not rank features, so it must be false"),
            (SkipConnection && SubtractBDec, "skip_connection is true, so subtract_b_dec must be false"),
            (Sparsity.Loss is SparsityLoss.Step or SparsityLoss.TargetL0 && Architecture != "jumprelu", $"sparsity.loss is {Sparsity.Loss}; only a jumprelu has it"),
            (!(Sparsity.Coefficient >= 0 && double.IsFinite(Sparsity.Coefficient)), $"sparsity.coefficient is {Sparsity.Coefficient}; it must be at least 0"),
            (Sparsity.WarmUpSteps < 0, $"sparsity.warm_up_steps is {Sparsity.WarmUpSteps}; it must be at least 0"),
            (Sparsity.WarmUpFraction is < 0 or > 1, $"sparsity.warm_up_fraction is {Sparsity.WarmUpFraction}; it must be 0..1"),
            (!(Sparsity.P > 0), $"sparsity.p is {Sparsity.P}; it must be above 0"),
            (Sparsity.L0Tuning is { } tuning && !(tuning.Target > 0 && tuning.Rate is > 0 and < 1 && tuning.StartFraction is >= 0 and <= 1), "sparsity.l0_tuning needs a target above 0, a rate above 0 and below 1, and a start_fraction of 0..1"),
            (!(Sparsity.TargetL0 > 0), $"sparsity.target_l0 is {Sparsity.TargetL0}; it must be above 0"),
            (!(JumpRelu.Bandwidth > 0), $"jump_relu.bandwidth is {JumpRelu.Bandwidth}; it must be above 0"),
            (!(JumpRelu.InitThreshold > 0), $"jump_relu.init_threshold is {JumpRelu.InitThreshold}; it must be above 0"),
            (!(BatchThreshold.Beta is >= 0 and <= 1), $"batch_threshold.beta is {BatchThreshold.Beta}; it must be 0..1"),
            (Matryoshka.Widths is { } widths && (widths.Any(width => width < 1 || width > DSae) || widths.Zip(widths.Skip(1)).Any(pair => pair.First >= pair.Second)), $"matryoshka.widths must rise from at least 1 to at most d_sae ({DSae})"),
            (Matryoshka.Weights is { } weights && weights.Length != LevelWidths().Length, $"matryoshka.weights has {Matryoshka.Weights?.Length} numbers for {LevelWidths().Length} prefixes"),
            (!(Momentum is >= 0 and < 1), $"momentum is {Momentum}; it must be 0 or more and below 1"),
            (!(GhostGradients >= 0), $"ghost_gradients is {GhostGradients}; it must be at least 0"),
            (!(DecoderInitNorm > 0), $"decoder_init_norm is {DecoderInitNorm}; it must be above 0"),
            (DeadAfterSteps < 1, $"dead_after_steps is {DeadAfterSteps}; it must be at least 1"),
            (DeadAfterTokens < 1, $"dead_after_tokens is {DeadAfterTokens}; it must be at least 1"),
            (LogEvery < 1, $"log_every is {LogEvery}; it must be at least 1"),
            (KeepCheckpoints < 1, $"keep_checkpoints is {KeepCheckpoints}; it must be at least 1"),
            (Resampling is { Every: < 2 }, $"resampling.every is {Resampling?.Every}; it must be at least 2"),
            (Resampling is not null && Architecture == "matching_pursuit", "resampling is set; matching_pursuit has no encoder to resample, so it must be null"),
            (InputScaling == InputScaling.Whitening && Architecture == "matching_pursuit", "input_scaling is whitening, which cannot be folded into tied weights"),
            (Architecture is "topk" or "abs_topk" or "groupmax" && K != Math.Floor(K), $"k is {K}; for {Architecture} it must be a whole number"),
            (CheckpointEvery < 0, $"checkpoint_every is {CheckpointEvery}; it must be at least 0"),
        }.Where(check => check.Wrong).Select(check => check.Problem),
    ];

    /// <summary>Throws if anything is wrong, naming all of it at once.</summary>
    /// <param name="source">Where the values come from, usually a path.</param>
    /// <exception cref="UserErrorException">At least one value is not allowed.</exception>
    public void Check(string source)
    {
        ImmutableArray<string> problems = Problems();
        if (problems.Length > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct the values it names, in the run file or with --set key=value");
    }
}
