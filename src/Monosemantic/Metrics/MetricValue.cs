namespace Monosemantic.Metrics;

/// <summary>Which way a number is better.</summary>
public enum Better
{
    /// <summary>Neither: it describes.</summary>
    Neither,

    /// <summary>Smaller is better.</summary>
    Lower,

    /// <summary>Larger is better.</summary>
    Higher,
}

/// <summary>The one written definition of a number.</summary>
/// <param name="Name">Its key in <c>metrics.json</c>.</param>
/// <param name="Unit">Its unit; empty for a pure number.</param>
/// <param name="Better">Which way it is better.</param>
/// <param name="Formula">How it is computed, in one line.</param>
/// <param name="WhenUndefined">Why it has no value where it has none.</param>
public sealed record MetricDefinition(string Name, string Unit, Better Better, string Formula, string WhenUndefined);

/// <summary>One number with everything needed to quote it.</summary>
public sealed record MetricValue
{
    /// <summary>The number; null where it is undefined.</summary>
    public required double? Value { get; init; }

    /// <summary>Lower end of the 95 % interval; null where there is none.</summary>
    public double? Low { get; init; }

    /// <summary>Upper end of the 95 % interval; null where there is none.</summary>
    public double? High { get; init; }

    /// <summary>Tokens that it was computed from; 0 where it depends on the weights alone.</summary>
    public required long Tokens { get; init; }

    /// <summary>The rows it was computed from, such as <c>held_out</c>; <c>weights</c> where it depends on the weights alone.</summary>
    public required string Split { get; init; }

    /// <summary>Its unit; empty for a pure number.</summary>
    public required string Unit { get; init; }

    /// <summary>Which way it is better.</summary>
    public required Better Better { get; init; }

    /// <summary>How it is computed, in one line.</summary>
    public required string Formula { get; init; }

    /// <summary>Why the number is undefined; null where it is defined.</summary>
    public string? Undefined { get; init; }

    /// <summary>Why the number has no interval; null where it has one.</summary>
    public string? NoInterval { get; init; }

    /// <summary>A number from its definition; what is not finite is undefined.</summary>
    internal static MetricValue Of(MetricDefinition definition, double value, long tokens, string split, Interval interval)
    {
        bool defined = double.IsFinite(value);
        return new()
        {
            Value = defined ? value : null,
            Low = defined ? interval.Low : null,
            High = defined ? interval.High : null,
            Tokens = tokens,
            Split = split,
            Unit = definition.Unit,
            Better = definition.Better,
            Formula = definition.Formula,
            Undefined = defined ? null : tokens == 0 && split != "weights" ? "no token was evaluated" : definition.WhenUndefined,
            NoInterval = !defined ? "the number is undefined" : interval.Missing,
        };
    }
}

/// <summary>A 95 % interval, or why there is none.</summary>
internal readonly record struct Interval(double? Low, double? High, string? Missing)
{
    internal static Interval None(string reason) => new(null, null, reason);

    /// <summary>The spread of resampled values, moved so that their mean is the value itself, within bounds.</summary>
    /// <param name="value">The value that the interval is about.</param>
    /// <param name="resampled">Values of the resamples; empty where all tokens are of one document.</param>
    /// <param name="low">The smallest value there can be.</param>
    /// <param name="high">The largest value there can be.</param>
    internal static Interval About(double value, double[] resampled, double low, double high)
    {
        if (resampled.Length == 0) return None("all tokens are of one document");
        double mean = resampled.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();
        return Of([.. resampled.Select(sample => Math.Clamp(value + sample - mean, low, high))]);
    }

    /// <summary>From the 2.5th to the 97.5th percentile of resampled values, those that are undefined left out.</summary>
    /// <param name="resampled">Values of the resamples, in any order; sorted here.</param>
    internal static Interval Of(double[] resampled)
    {
        double[] values = [.. resampled.Where(double.IsFinite).Order()];
        return values.Length < resampled.Length / 2 || values.Length == 0
            ? None("undefined in most resamples")
            : new(Quantiles.Of(values, 0.025), Quantiles.Of(values, 0.975), null);
    }
}

/// <summary>Quantiles of sorted values, linear between neighbours (type 7 of Hyndman and Fan 1996, the default of R and NumPy).</summary>
internal static class Quantiles
{
    internal static double Of(ReadOnlySpan<double> sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + ((at - below) * (sorted[below + 1] - sorted[below])) : sorted[^1];
    }
}
