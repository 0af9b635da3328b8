using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Superposition;

/// <summary>
/// A toy model of superposition: n sparse features through m dimensions and back. Every key has a default; the defaults are the
/// five features in two dimensions of the paper. Source: Elhage et al. 2022, Toy Models of Superposition.
/// </summary>
public sealed record SuperpositionConfig
{
    /// <summary>Features n; default 5.</summary>
    public int Features { get; init; } = 5;

    /// <summary>Dimensions m; default 2.</summary>
    public int Dims { get; init; } = 2;

    /// <summary>Importance of feature i is this to the power of i; default 0.9.</summary>
    public double ImportanceDecay { get; init; } = 0.9;

    /// <summary>Probabilities that a feature is present; one model is trained for each. Default 20^(-k/9), k = 0..9: from 1 to 0.05.</summary>
    public ImmutableArray<double> Densities { get; init; } = [.. Enumerable.Range(0, 10).Select(k => Math.Round(Math.Pow(20, -k / 9.0), 6))];

    /// <summary>Models trained for each density from different starts, of which the one with the lowest loss is kept; default 3.</summary>
    public int Starts { get; init; } = 3;

    /// <summary>Optimiser steps; default 10,000.</summary>
    public int Steps { get; init; } = 10_000;

    /// <summary>Samples in a batch; default 1,024.</summary>
    public int Batch { get; init; } = 1024;

    /// <summary>Learning rate of Adam; default 1e-3.</summary>
    public double Lr { get; init; } = 1e-3;

    /// <summary>Whether the ReLU is left out, which leaves no superposition; default false.</summary>
    public bool Linear { get; init; }

    /// <summary>Seed of the starts and of the samples; default 0.</summary>
    public long Seed { get; init; }

    /// <summary>Throws if a value makes no sense, naming all that do.</summary>
    /// <param name="source">Where the values come from.</param>
    /// <exception cref="UserErrorException">At least one value is not allowed.</exception>
    public void Check(string source)
    {
        string[] problems =
        [
            .. new (bool Wrong, string Problem)[]
            {
                (Features is < 1 or > 10_000, $"features is {Features}; it must be 1..10,000"),
                (Dims < 1 || Dims > Math.Max(1, Features), $"dims is {Dims}; it must be 1..{Math.Max(1, Features)} (features)"),
                (ImportanceDecay is not (> 0 and <= 1), $"importance_decay is {ImportanceDecay}; it must be above 0 and at most 1"),
                (Densities.IsDefaultOrEmpty || Densities.Any(density => density is not (> 0 and <= 1)), "densities must be numbers above 0 and at most 1, at least one"),
                (Starts is < 1 or > 100, $"starts is {Starts}; it must be 1..100"),
                (Steps < 1, $"steps is {Steps}; it must be at least 1"),
                (Batch is < 1 or > 1 << 20, $"batch is {Batch}; it must be 1..{1 << 20:N0}"),
                (Lr is not (> 0 and < 1), $"lr is {Lr}; it must be above 0 and below 1"),
            }.Where(check => check.Wrong).Select(check => check.Problem),
        ];
        if (problems.Length > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct the values it names, in the run file or with --set key=value");
    }
}

/// <summary>One trained toy model.</summary>
public sealed record SuperpositionInstance
{
    /// <summary>Probability that a feature is present.</summary>
    public required double Density { get; init; }

    /// <summary>Mean over the last hundred batches and over features of importance times squared error.</summary>
    public required double Loss { get; init; }

    /// <summary>Direction of each feature, its column of W [n][m].</summary>
    public required ImmutableArray<ImmutableArray<double>> Directions { get; init; }

    /// <summary>Bias of each output [n].</summary>
    public required ImmutableArray<double> Bias { get; init; }

    /// <summary>Dimensionality of each feature, |W_i|^2 / sum_j (W_i . W_j / |W_i|)^2; 0 where it is not represented [n].</summary>
    public required ImmutableArray<double> Dimensionality { get; init; }

    /// <summary>sum_(j != i) (W_i . W_j / |W_i|)^2: what the other features put on a feature's direction [n].</summary>
    public required ImmutableArray<double> Interference { get; init; }

    /// <summary>Features with |W_i| above 0.5.</summary>
    public required int Represented { get; init; }

    /// <summary>m / |W|_F^2; null where W is 0.</summary>
    public required double? DimensionsPerFeature { get; init; }
}

/// <summary>Toy models over a range of densities.</summary>
/// <param name="Config">What they were trained with.</param>
/// <param name="Instances">The models, in the order of the densities.</param>
public sealed record SuperpositionResult(SuperpositionConfig Config, ImmutableArray<SuperpositionInstance> Instances);
