namespace Monosemantic.Dictionaries;

/// <summary>What the sparsity of a code costs.</summary>
public enum SparsityLoss
{
    /// <summary>Nothing: the selection itself limits how many features fire.</summary>
    None,

    /// <summary>The mean over tokens of the L1 norm of f. Source: Towards Monosemanticity.</summary>
    L1,

    /// <summary>The mean over tokens of the Lp norm of f, (sum of f^p)^(1/p). Source: SAELens lp_norm, dictionary_learning "Lp".</summary>
    Lp,

    /// <summary>The mean over tokens of the sum of f^p. Source: dictionary_learning "Lp^p".</summary>
    LpPower,

    /// <summary>The mean over tokens of the sum of tanh(c f). Source: Anthropic January 2025, SAELens "tanh".</summary>
    Tanh,

    /// <summary>The mean number of features above their threshold, differentiated by a straight-through estimator. Source: Rajamanoharan et al. 2024.</summary>
    Step,

    /// <summary>(L0 / target - 1)^2 with the same estimator. Source: dictionary_learning JumpReLU trainer.</summary>
    TargetL0,
}

/// <summary>How the threshold of a JumpReLU is kept as a parameter.</summary>
public enum ThresholdParameter
{
    /// <summary>Its logarithm. Source: SAELens up to 6.18.</summary>
    Log,

    /// <summary>Itself. Source: dictionary_learning.</summary>
    Direct,

    /// <summary>The threshold is the parameter where that is positive, else 0. Source: later SAELens.</summary>
    Rectified,
}

/// <summary>Gradient of a ProLU's bias, which has none of its own.</summary>
public enum ProLuGradient
{
    /// <summary>As if the unit were a ReLU of the sum.</summary>
    Relu,

    /// <summary>The straight-through estimate.</summary>
    Ste,
}

/// <summary>What a rule needs to know of the training config.</summary>
internal sealed record RuleOptions
{
    internal SparsityLoss Sparsity { get; init; } = SparsityLoss.None;

    /// <summary>Whether f is multiplied by the length of its decoder row in the sparsity loss.</summary>
    internal bool WeightedByNorm { get; init; }

    internal double TanhScale { get; init; } = 4;

    internal double TargetL0 { get; init; } = 20;

    /// <summary>Whether the step estimator looks at f instead of the pre-activation.</summary>
    internal bool StepOnOutput { get; init; }

    internal double Bandwidth { get; init; } = 0.05;

    internal ThresholdParameter Threshold { get; init; } = ThresholdParameter.Log;

    internal double PreActCoefficient { get; init; }

    internal ProLuGradient ProLu { get; init; } = ProLuGradient.Ste;

    /// <summary>Whether features are ranked by pre-activation times the length of their decoder row.</summary>
    internal bool RankByNorm { get; init; }

    /// <summary>How many times k the second, larger selection of multi-TopK has; 1 for none.</summary>
    internal int MultiTopK { get; init; } = 1;

    internal bool MultiTopKTrainsEncoder { get; init; } = true;

    /// <summary>Smallest residual of matching pursuit.</summary>
    internal double ResidualThreshold { get; init; } = 1e-2;

    /// <summary>Vectors that a row consists of: 1, or the number of sites of a crosscoder.</summary>
    internal int Sites { get; init; } = 1;
}
