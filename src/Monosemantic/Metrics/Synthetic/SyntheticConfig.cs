using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>How firing probabilities fall from the first feature to the last.</summary>
public enum FiringLaw
{
    /// <summary>All the same.</summary>
    Constant,

    /// <summary>A straight line from the largest to the smallest.</summary>
    Linear,

    /// <summary>rank^(-exponent), moved and stretched to run exactly from the largest to the smallest.</summary>
    Zipfian,

    /// <summary>Uniform between the smallest and the largest.</summary>
    Random,
}

/// <summary>How often features fire before hierarchy and correlation have their say.</summary>
public sealed record FiringConfig
{
    /// <summary>The law; default constant.</summary>
    public FiringLaw GeneratorName { get; init; } = FiringLaw.Constant;

    /// <summary>Probability under the constant law; default 0.1.</summary>
    public double Probability { get; init; } = 0.1;

    /// <summary>Exponent of the Zipfian law; default 1.</summary>
    public double Exponent { get; init; } = 1;

    /// <summary>Largest probability; default 0.3.</summary>
    public double MaxProb { get; init; } = 0.3;

    /// <summary>Smallest probability; default 0.01.</summary>
    public double MinProb { get; init; } = 0.01;
}

/// <summary>How a number for each feature is made.</summary>
public enum MagnitudeLaw
{
    /// <summary>All the same.</summary>
    Constant,

    /// <summary>A straight line over the features, from start to end.</summary>
    Linear,

    /// <summary>Geometric over the features, from start to end.</summary>
    Exponential,

    /// <summary>|mean + std n|, n normal, one draw for each feature.</summary>
    FoldedNormal,
}

/// <summary>Mean, or standard deviation, of the activation of each feature where it fires.</summary>
public sealed record MagnitudeConfig
{
    /// <summary>The law; default constant.</summary>
    public MagnitudeLaw GeneratorName { get; init; } = MagnitudeLaw.Constant;

    /// <summary>Value under the constant law; default 1.</summary>
    public double Value { get; init; } = 1;

    /// <summary>First feature's value under the linear and exponential laws; default 1.</summary>
    public double Start { get; init; } = 1;

    /// <summary>Last feature's value under the linear and exponential laws; default 1.</summary>
    public double End { get; init; } = 1;

    /// <summary>Mean of the folded normal law; default 0.</summary>
    public double Mean { get; init; }

    /// <summary>Standard deviation of the folded normal law; default 1.</summary>
    public double Std { get; init; } = 1;
}

/// <summary>Trees of features, in which a child fires only where its parent does.</summary>
public sealed record HierarchyConfig
{
    /// <summary>Number of trees; default 100.</summary>
    public int TotalRootNodes { get; init; } = 100;

    /// <summary>Children of each parent; default 4.</summary>
    public int BranchingFactor { get; init; } = 4;

    /// <summary>Depth of the deepest children, roots being at 0; default 2.</summary>
    public int MaxDepth { get; init; } = 2;

    /// <summary>Share of parents of which at most one child fires at a time; default 0.</summary>
    public double MutuallyExclusivePortion { get; init; }

    /// <summary>Whether probabilities are raised so that gating by the parent lowers them back, to first order; default false.</summary>
    public bool CompensateProbabilities { get; init; }

    /// <summary>Whether a child's activation is scaled by its parent's over the parent's mean; default false.</summary>
    public bool ScaleChildrenByParent { get; init; }
}

/// <summary>A descent that makes feature directions more orthogonal than random ones.</summary>
/// <param name="NumSteps">Adam steps.</param>
/// <param name="Lr">Learning rate.</param>
public sealed record OrthogonalizationConfig(int NumSteps, double Lr);

/// <summary>Correlations of firing: a Gaussian copula with A A^T + diagonal, A of low rank.</summary>
/// <param name="Rank">Columns of A.</param>
/// <param name="CorrelationScale">Standard deviation of A's entries.</param>
public sealed record CorrelationConfig(int Rank, double CorrelationScale);

/// <summary>
/// Data with known features: x = sum_i a_i f_i + b + noise, the a_i sparse and not negative. The keys are those of SAELens'
/// synthetic models, of which SynthSAEBench is one; noise is ours.
/// </summary>
public sealed record SyntheticConfig
{
    /// <summary>Number of true features N; default 1024.</summary>
    public int NumFeatures { get; init; } = 1024;

    /// <summary>Width of the activations D; default 128. N / D is the superposition.</summary>
    public int HiddenDim { get; init; } = 128;

    /// <summary>How often features fire.</summary>
    public FiringConfig FiringProbability { get; init; } = new();

    /// <summary>Trees of features; null for none.</summary>
    public HierarchyConfig? Hierarchy { get; init; }

    /// <summary>Descent towards orthogonal directions; null for random ones.</summary>
    public OrthogonalizationConfig? Orthogonalization { get; init; }

    /// <summary>Correlations of firing; null for independent firing.</summary>
    public CorrelationConfig? Correlation { get; init; }

    /// <summary>Mean activation of each feature where it fires.</summary>
    public MagnitudeConfig MeanFiringMagnitudes { get; init; } = new();

    /// <summary>Standard deviation of that activation.</summary>
    public MagnitudeConfig StdFiringMagnitudes { get; init; } = new() { Value = 0 };

    /// <summary>Length of the constant vector b; default 0.</summary>
    public double Bias { get; init; }

    /// <summary>Standard deviation of normal noise on every dimension; default 0.</summary>
    public double Noise { get; init; }

    /// <summary>Seed of the model and of its samples; default 42.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Throws if a value makes no sense, naming all that do.</summary>
    /// <param name="source">Where the values come from.</param>
    /// <exception cref="UserErrorException">At least one value is not allowed.</exception>
    public void Check(string source)
    {
        FiringConfig firing = FiringProbability;
        bool ranged = firing.GeneratorName != FiringLaw.Constant;
        string[] problems =
        [
            .. new (bool Wrong, string Problem)[]
            {
                (NumFeatures is < 1 or > 1_000_000, $"num_features is {NumFeatures}; it must be 1..1,000,000"),
                (HiddenDim is < 1 or > 65_536, $"hidden_dim is {HiddenDim}; it must be 1..65,536"),
                (!ranged && firing.Probability is not (> 0 and <= 1), $"firing_probability.probability is {firing.Probability}; it must be above 0 and at most 1"),
                (ranged && !(firing.MinProb > 0 && firing.MinProb < firing.MaxProb && firing.MaxProb <= 1), $"firing_probability runs from {firing.MaxProb} to {firing.MinProb}; it must be 0 < min_prob < max_prob <= 1"),
                (firing.GeneratorName == FiringLaw.Zipfian && !(firing.Exponent > 0), $"firing_probability.exponent is {firing.Exponent}; it must be above 0"),
                (Hierarchy is { TotalRootNodes: < 1 }, $"hierarchy.total_root_nodes is {Hierarchy?.TotalRootNodes}; it must be at least 1"),
                (Hierarchy is { BranchingFactor: < 2 }, $"hierarchy.branching_factor is {Hierarchy?.BranchingFactor}; it must be at least 2"),
                (Hierarchy is { MaxDepth: < 0 or > 30 }, $"hierarchy.max_depth is {Hierarchy?.MaxDepth}; it must be 0..30"),
                (Hierarchy is { MutuallyExclusivePortion: not (>= 0 and <= 1) }, $"hierarchy.mutually_exclusive_portion is {Hierarchy?.MutuallyExclusivePortion}; it must be 0..1"),
                (Orthogonalization is { NumSteps: < 0 } or { Lr: not (> 0 and < 1) }, "orthogonalization needs num_steps of at least 0 and an lr between 0 and 1"),
                (Correlation is { Rank: < 1 or > 1024 } or { CorrelationScale: not (> 0 and < 10) }, "correlation needs a rank of 1..1024 and a correlation_scale above 0 and below 10"),
                (Bias is not (>= 0 and < 1e6), $"bias is {Bias}; it must be at least 0"),
                (Noise is not (>= 0 and < 1e6), $"noise is {Noise}; it must be at least 0"),
            }.Where(check => check.Wrong).Select(check => check.Problem),
        ];
        if (problems.Length > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct the values it names, in the run file or with --set key=value");
    }
}

/// <summary>Synthetic data that is ready to make, by name; one line each.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Summary">What it is for.</param>
/// <param name="Config">Its settings.</param>
public sealed record SyntheticPreset(string Name, string Summary, SyntheticConfig Config)
{
    private static readonly FiringConfig Rare = new() { Probability = 0.01 };
    private static readonly MagnitudeConfig Varied = new() { Value = 0.25 };

    /// <summary>Every preset.</summary>
    public static ImmutableArray<SyntheticPreset> All { get; } =
    [
        new("independent", "1,024 features in 128 dimensions that fire independently, 1 % of the time", new() { FiringProbability = Rare, StdFiringMagnitudes = Varied }),
        new("correlated", "the same, with features that tend to fire together", new() { FiringProbability = Rare, StdFiringMagnitudes = Varied, Correlation = new(16, 0.2) }),
        new("hierarchical", "64 parents with 4 children and 16 grandchildren each, which fire only where their parent does", new()
        {
            NumFeatures = 1344, FiringProbability = new() { Probability = 0.12 }, StdFiringMagnitudes = Varied, Hierarchy = new() { TotalRootNodes = 64, BranchingFactor = 4, MaxDepth = 2 },
        }),
        new("heavy-tailed", "firing by Zipf's law, from 30 % of the time to 0.05 %", new() { FiringProbability = new() { GeneratorName = FiringLaw.Zipfian, Exponent = 1, MaxProb = 0.3, MinProb = 5e-4 }, StdFiringMagnitudes = Varied }),
        new("synth-sae-bench-16k", "SynthSAEBench-16k v2: 16,384 features in 768 dimensions, for dictionaries of 4,096", SynthSaeBench(16_384, 768, 128)),
        new("synth-sae-bench-4k", "the same law at 1/16 of the cost: 4,096 features in 192 dimensions, for dictionaries of 1,024", SynthSaeBench(4_096, 192, 32)),
    ];

    /// <summary>Finds a preset.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="UserErrorException">There is none of that name.</exception>
    public static SyntheticPreset Find(string name)
    {
        string[] names = [.. All.Select(preset => preset.Name)];
        return All.FirstOrDefault(preset => preset.Name == name) ?? throw new UserErrorException(
            $"there is no preset {name}; there are {string.Join(", ", names)}", Suggestion.Nearest(name, names) is { } meant ? $"did you mean {meant}?" : "give one of those");
    }

    // Source: SAELens docs/synth_sae_bench.md, the parameters of v2.
    private static SyntheticConfig SynthSaeBench(int features, int width, int roots) => new()
    {
        NumFeatures = features,
        HiddenDim = width,
        FiringProbability = new() { GeneratorName = FiringLaw.Zipfian, Exponent = 0.5, MaxProb = 0.4, MinProb = 5e-4 },
        Hierarchy = new() { TotalRootNodes = roots, BranchingFactor = 4, MaxDepth = 3, MutuallyExclusivePortion = 1, CompensateProbabilities = true, ScaleChildrenByParent = true },
        Orthogonalization = new(100, 3e-4),
        Correlation = new(25, 0.1),
        MeanFiringMagnitudes = new() { GeneratorName = MagnitudeLaw.Linear, Start = 5, End = 4 },
        StdFiringMagnitudes = new() { GeneratorName = MagnitudeLaw.FoldedNormal, Mean = 0.5, Std = 0.5 },
        Bias = 0.5,
    };
}
