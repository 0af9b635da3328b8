using System.Collections.Immutable;
using Monosemantic.Dictionaries;

namespace Monosemantic.Training;

/// <summary>The sparsity loss. Which losses an architecture can have is said in its own documentation.</summary>
public sealed record SparsityConfig
{
    /// <summary>Kind; default null: <c>l1</c> for relu, gated and prolu, <c>step</c> for jumprelu, none for the rest.</summary>
    public SparsityLoss? Loss { get; init; }

    /// <summary>What the loss is multiplied by; default 1.</summary>
    public double Coefficient { get; init; } = 1;

    /// <summary>Steps over which the coefficient rises linearly from 0; default 0.</summary>
    public long WarmUpSteps { get; init; }

    /// <summary>Share of all steps over which the coefficient rises, in place of a number of steps; default null.</summary>
    public double? WarmUpFraction { get; init; }

    /// <summary>Whether f is multiplied by the length of its decoder row, so that the length of rows need not be bounded; default true where decoder rows are not kept at length 1.</summary>
    public bool? WeightedByDecoderNorm { get; init; }

    /// <summary>Exponent p of lp and lp_power; default 1.</summary>
    public double P { get; init; } = 1;

    /// <summary>Scale c of tanh(c f); default 4.</summary>
    public double TanhScale { get; init; } = 4;

    /// <summary>Features per token that target_l0 asks for; default 20.</summary>
    public double TargetL0 { get; init; } = 20;

    /// <summary>Lowers p while training; default null: p stays.</summary>
    public PAnnealingConfig? PAnnealing { get; init; }

    /// <summary>Moves the coefficient while training until so many features fire as asked for; default null: it stays.</summary>
    public L0TuningConfig? L0Tuning { get; init; }
}

/// <summary>A controller of the sparsity coefficient. Source: SynthSAEBench's coefficient autotuner.</summary>
public sealed record L0TuningConfig
{
    /// <summary>Features per token that are asked for; default 25.</summary>
    public double Target { get; init; } = 25;

    /// <summary>Largest relative change of the coefficient in a step; default 3e-4, which takes some ten thousand steps.</summary>
    public double Rate { get; init; } = 3e-4;

    /// <summary>Share of all steps after which it begins; default 0.</summary>
    public double StartFraction { get; init; }
}

/// <summary>p-annealing: the exponent falls in equal parts, and the coefficient changes with it so that the loss stays as large. Source: dictionary_learning.</summary>
public sealed record PAnnealingConfig
{
    /// <summary>Exponent at the end; default 0.</summary>
    public double PEnd { get; init; }

    /// <summary>Step of the first change; default 15,000.</summary>
    public long Start { get; init; } = 15_000;

    /// <summary>Changes; default 10.</summary>
    public int Updates { get; init; } = 10;

    /// <summary>Steps that the loss is averaged over at a change; default 10.</summary>
    public int QueueLength { get; init; } = 10;
}

/// <summary>What only a JumpReLU has.</summary>
public sealed record JumpReluConfig
{
    /// <summary>Threshold at the start; default 0.01.</summary>
    public double InitThreshold { get; init; } = 0.01;

    /// <summary>Width of the window around the threshold in which it has a gradient; default 0.05.</summary>
    public double Bandwidth { get; init; } = 0.05;

    /// <summary>How the threshold is kept as a parameter; default log.</summary>
    public ThresholdParameter Parameter { get; init; } = ThresholdParameter.Log;

    /// <summary>Whether the step estimator looks at f instead of the pre-activation; default false (dictionary_learning: true).</summary>
    public bool StepOnOutput { get; init; }

    /// <summary>Coefficient of the loss that pulls dead features' pre-activations up to their thresholds; default 0.</summary>
    public double PreActCoefficient { get; init; }
}

/// <summary>How the threshold that replaces a batch-wide selection is averaged.</summary>
public enum ThresholdUpdate
{
    /// <summary>An average that starts from 0, as in SAELens; too small for the first few hundred steps.</summary>
    EmaFromZero,

    /// <summary>An average that starts from the first value. Source: dictionary_learning.</summary>
    EmaFromFirst,
}

/// <summary>The threshold with which a batch-wide selection works token by token.</summary>
public sealed record BatchThresholdConfig
{
    /// <summary>How it is averaged; default ema_from_first.</summary>
    public ThresholdUpdate Update { get; init; } = ThresholdUpdate.EmaFromFirst;

    /// <summary>Share of the average that stays at each step; default 0.999 (SAELens: 0.99).</summary>
    public double Beta { get; init; } = 0.999;

    /// <summary>Steps without averaging; the first to count is the next; default 1000.</summary>
    public long StartStep { get; init; } = 1000;
}

/// <summary>What only a matryoshka has.</summary>
public sealed record MatryoshkaConfig
{
    /// <summary>Ends of the nested prefixes of features, rising; d_sae is added where it is missing; default null: d_sae / 16, / 8, / 4, / 2 and d_sae.</summary>
    public ImmutableArray<int>? Widths { get; init; }

    /// <summary>Weight of each prefix' squared error; default null: 1 each, as in SAELens (dictionary_learning: 1/n^2 for n prefixes).</summary>
    public ImmutableArray<double>? Weights { get; init; }

    /// <summary>Whether the dead features of each prefix, less those of the one before, reconstruct what that prefix left over, rather than all of them what all left over; default false (SAELens: use_matryoshka_aux_loss).</summary>
    public bool AuxPerLevel { get; init; }
}

/// <summary>What replaces features that no longer fire.</summary>
public enum ResamplingKind
{
    /// <summary>Drawn with probability proportional to the squared loss, decoder row the normalised input, encoder row that times 0.2 of the mean norm of living encoder rows, bias 0. Source: Towards Monosemanticity.</summary>
    SquaredLoss,

    /// <summary>Drawn from the present batch with probability proportional to the length of the error, the encoder row not normalised. Source: dictionary_learning.</summary>
    BatchError,
}

/// <summary>Replacing dead features by badly reconstructed inputs.</summary>
public sealed record ResamplingConfig
{
    /// <summary>How; default squared_loss.</summary>
    public ResamplingKind Kind { get; init; } = ResamplingKind.SquaredLoss;

    /// <summary>Steps between resamplings; default 25,000. Dead is who did not fire for half of them.</summary>
    public long Every { get; init; } = 25_000;

    /// <summary>Most resamplings; default 4.</summary>
    public int Times { get; init; } = 4;

    /// <summary>Inputs that are drawn from, the last of the stream, in tokens; default 819,200. Memory is this times d_model floats.</summary>
    public long Inputs { get; init; } = 819_200;

    /// <summary>Steps over which the learning rate rises again after a resampling; default 0.</summary>
    public long WarmUpSteps { get; init; }
}

/// <summary>Rules for updating parameters from gradients.</summary>
public enum OptimiserKind
{
    /// <summary>Adam (Kingma and Ba 2015).</summary>
    Adam,

    /// <summary>The sign of an average of gradients. Source: sparsify's default.</summary>
    Signum,

    /// <summary>An average of gradients, made nearly orthogonal for matrices by five Newton-Schulz rounds. Source: Jordan et al. 2024.</summary>
    Muon,
}
