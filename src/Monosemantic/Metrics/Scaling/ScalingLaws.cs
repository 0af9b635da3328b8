using System.Collections.Immutable;
using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;

namespace Monosemantic.Metrics.Scaling;

/// <summary>One trained dictionary of a sweep.</summary>
/// <param name="DSae">Number of features.</param>
/// <param name="Tokens">Tokens it was trained on, repeats counted.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Compute">Training compute: 12 d_model d_sae tokens floating-point operations.</param>
/// <param name="Loss">Fraction of variance unexplained on held-out rows.</param>
/// <param name="L0">Mean number of features that fire per held-out token.</param>
/// <param name="StabilityShared">Share of features that come back with the next seed; null where there is none.</param>
/// <param name="Folder">Its folder, in the sweep's.</param>
public sealed record ScalingPoint(int DSae, long Tokens, long Seed, double Compute, MetricValue Loss, double L0, double? StabilityShared, string Folder);

/// <summary>An exponent with its 95 % interval.</summary>
/// <param name="Value">The exponent.</param>
/// <param name="Low">Lower end; null where there are no more runs than parameters.</param>
/// <param name="High">Upper end.</param>
public sealed record Exponent(double Value, double? Low, double? High);

/// <summary>A fitted power law.</summary>
public sealed record PowerLawFit
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The law.</summary>
    public required string Formula { get; init; }

    /// <summary>ln of the factor in front; null where undefined.</summary>
    public double? LogFactor { get; init; }

    /// <summary>The exponents by name; empty where undefined.</summary>
    public IReadOnlyDictionary<string, Exponent> Exponents { get; init; } = ImmutableSortedDictionary<string, Exponent>.Empty;

    /// <summary>Share of the variance of ln loss that the law explains; null where undefined, or where the loss does not vary.</summary>
    public double? R2 { get; init; }

    /// <summary>Runs that it was fitted to.</summary>
    public required int Runs { get; init; }

    /// <summary>Why there is no fit; null where there is one.</summary>
    public string? Undefined { get; init; }

    /// <summary>What the law says; what is not among its exponents is ignored.</summary>
    /// <param name="arguments">Width and tokens, or compute, in the order of the exponents.</param>
    public double At(params ReadOnlySpan<double> arguments)
    {
        double log = LogFactor ?? double.NaN;
        int i = 0;
        foreach (Exponent exponent in Exponents.Values) log -= exponent.Value * Math.Log(arguments[i++]);
        return Math.Exp(log);
    }
}

/// <summary>A finished sweep.</summary>
/// <param name="Architecture">Architecture of the dictionaries.</param>
/// <param name="Points">The runs.</param>
/// <param name="Fits">The laws.</param>
public sealed record ScalingResult(string Architecture, ImmutableArray<ScalingPoint> Points, ImmutableArray<PowerLawFit> Fits);

/// <summary>
/// Power laws through the runs of a sweep, by least squares on logarithms; intervals are Student's.
/// <code>
/// L = exp(c) n^-alpha T^-beta, n features and T tokens     L = exp(c) C^-gamma along the frontier of compute
/// </code>
/// </summary>
/// <remarks>No floor is fitted: a handful of runs cannot tell one from a smaller exponent. Where a floor shows, the points bend up from the line.</remarks>
public static class ScalingLaws
{
    /// <summary>Fits every law that the runs allow; the others say why not.</summary>
    /// <param name="points">The runs.</param>
    public static ImmutableArray<PowerLawFit> Fit(IReadOnlyList<ScalingPoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        bool widths = points.Select(point => point.DSae).Distinct().Count() > 1, budgets = points.Select(point => point.Tokens).Distinct().Count() > 1;
        PowerLawFit first = widths && budgets
            ? Law("width_and_tokens", "FVU = exp(c) d_sae^-alpha tokens^-beta", points, ("alpha", point => point.DSae), ("beta", point => point.Tokens))
            : widths ? Law("width", "FVU = exp(c) d_sae^-alpha", points, ("alpha", point => point.DSae))
            : Law("tokens", "FVU = exp(c) tokens^-beta", points, ("beta", point => point.Tokens));
        return [first, Law("compute", "FVU = exp(c) compute^-gamma, over the runs that no cheaper run beats", Frontier(points), ("gamma", point => point.Compute))];
    }

    /// <summary>The runs whose loss no run of the same or less compute reaches, cheapest first.</summary>
    /// <param name="points">The runs.</param>
    public static ImmutableArray<ScalingPoint> Frontier(IReadOnlyList<ScalingPoint> points)
    {
        double best = double.PositiveInfinity;
        var frontier = ImmutableArray.CreateBuilder<ScalingPoint>();
        foreach (ScalingPoint point in points.Where(point => point.Loss.Value is not null).OrderBy(point => point.Compute).ThenBy(point => point.Loss.Value))
        {
            if (!(point.Loss.Value < best)) continue;
            best = point.Loss.Value.Value;
            frontier.Add(point);
        }
        return frontier.ToImmutable();
    }

    private static PowerLawFit Law(string name, string formula, IReadOnlyList<ScalingPoint> points, params (string Name, Func<ScalingPoint, double> Of)[] arguments)
    {
        ScalingPoint[] usable = [.. points.Where(point => point.Loss.Value > 0)];
        int unknowns = arguments.Length + 1;
        string? undefined = usable.Length < unknowns ? $"{usable.Length} runs with a loss above 0 do not determine {unknowns} numbers"
            : arguments.FirstOrDefault(argument => usable.Select(argument.Of).Distinct().Count() < 2) is { Name: { } same } ? $"all runs have the same value for {same}" : null;
        if (undefined is not null) return new() { Name = name, Formula = formula, Runs = usable.Length, Undefined = undefined };
        Matrix<double> x = Matrix<double>.Build.Dense(usable.Length, unknowns, (row, column) => column == 0 ? 1 : Math.Log(arguments[column - 1].Of(usable[row])));
        Vector<double> y = Vector<double>.Build.Dense(usable.Length, row => Math.Log(usable[row].Loss.Value!.Value));
        Matrix<double> normal = x.TransposeThisAndMultiply(x);
        if (normal.ConditionNumber() > 1e14) return new() { Name = name, Formula = formula, Runs = usable.Length, Undefined = "width and tokens change together in these runs, so that their parts cannot be told apart" };
        Vector<double> solution = x.QR().Solve(y), residual = y - (x * solution);
        double squares = residual.DotProduct(residual), spread = y.Sum(value => Math.Pow(value - y.Average(), 2));
        int free = usable.Length - unknowns;
        Matrix<double> inverse = normal.Inverse();
        var exponents = new Dictionary<string, Exponent>();
        for (int i = 1; i < unknowns; i++)
        {
            double half = free > 0 ? StudentT.InvCDF(0, 1, free, 0.975) * Math.Sqrt(squares / free * Math.Max(0, inverse[i, i])) : double.NaN;
            exponents[arguments[i - 1].Name] = free > 0 ? new(-solution[i], -solution[i] - half, -solution[i] + half) : new(-solution[i], null, null);
        }
        return new() { Name = name, Formula = formula, Runs = usable.Length, LogFactor = solution[0], Exponents = exponents, R2 = spread > 0 ? 1 - (squares / spread) : null };
    }
}
