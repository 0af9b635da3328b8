using System.Collections.Immutable;

namespace Monosemantic.Metrics;

/// <summary>
/// Numbers that follow from sums over tokens. What is added is a document's sums; what is computed may be the sums of all
/// documents or of a resample of them, which is how every number comes by its interval.
/// </summary>
/// <remarks>To add a metric: one file with its formula, one line in <see cref="CoreMetrics"/>. A metric keeps no state.</remarks>
internal abstract class Metric
{
    /// <summary>The numbers, each with its definition.</summary>
    public abstract ImmutableArray<MetricDefinition> Numbers { get; }

    /// <summary>Number of sums.</summary>
    public abstract int Width { get; }

    /// <summary>Adds rows [start, end), which are of one document, to its sums, row after row.</summary>
    /// <param name="rows">The batch.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">One past the last row.</param>
    /// <param name="sums">The document's sums [width].</param>
    public abstract void Add(MetricRows rows, int start, int end, Span<double> sums);

    /// <summary>The numbers from sums.</summary>
    /// <param name="sums">Sums of any documents, each times any whole number [width].</param>
    /// <param name="values">Receives a value for each of <see cref="Numbers"/>; NaN where it is undefined.</param>
    public abstract void Compute(ReadOnlySpan<double> sums, Span<double> values);

    /// <summary>a / b; NaN where b is not above 0.</summary>
    protected static double Ratio(double a, double b) => b > 0 ? a / b : double.NaN;
}
