using System.Collections.Immutable;
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
    /// <summary>Architecture; <c>topk</c> is the default and so far the only one.</summary>
    public string Architecture { get; init; } = "topk";

    /// <summary>Number of features; default 2048.</summary>
    public int DSae { get; init; } = 2048;

    /// <summary>Most features that fire for one token; default 32.</summary>
    public int K { get; init; } = 32;

    /// <summary>Whether the decoder bias is subtracted before encoding; default true.</summary>
    public bool SubtractBDec { get; init; } = true;

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

    /// <summary>Share of the steps, at the end, over which the learning rate falls linearly to 0; default 0.2.</summary>
    public double LrDecayFraction { get; init; } = 0.2;

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

    /// <summary>Tokens without firing after which a feature counts as dead; default 500,000.</summary>
    public long DeadAfterTokens { get; init; } = 500_000;

    /// <summary>Whether decoder rows are kept at length 1, and their gradients free of the component along them; default true.</summary>
    public bool UnitNormDecoder { get; init; } = true;

    /// <summary>Scaling of the activations; default mean_norm_sqrt_d.</summary>
    public InputScaling InputScaling { get; init; } = InputScaling.MeanNormSqrtD;

    /// <summary>What the decoder bias starts from; default geometric_median.</summary>
    public DecoderBiasInit BDecInit { get; init; } = DecoderBiasInit.GeometricMedian;

    /// <summary>Seed of the initial weights; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>Steps between checkpoints; 0 for none but on interruption; default 500.</summary>
    public long CheckpointEvery { get; init; } = 500;

    /// <summary>Optimiser steps in all.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long TotalSteps => Steps ?? Math.Max(1, (Tokens + Batch - 1) / Math.Max(Batch, 1));

    /// <summary>The learning rate in force after warm-up and before decay.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public double PeakLr => Lr ?? 2e-4 / Math.Sqrt(DSae / 16384.0);

    /// <summary>Reads a run file.</summary>
    /// <param name="path">A JSON file.</param>
    /// <exception cref="UserErrorException">It is missing, malformed, or has unknown keys or values that are not allowed.</exception>
    public static SaeTrainingConfig Load(string path)
    {
        SaeTrainingConfig config = JsonFile.Read<SaeTrainingConfig>(path);
        config.Check(path);
        return config;
    }

    /// <summary>Everything that is wrong with the values, one line each; empty where all is well.</summary>
    public ImmutableArray<string> Problems() =>
    [
        .. new SaeConfig { Architecture = Architecture, DModel = 1, DSae = DSae, K = K }.Problems(),
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
            (DeadAfterTokens < 1, $"dead_after_tokens is {DeadAfterTokens}; it must be at least 1"),
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
