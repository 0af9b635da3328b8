using System.Collections.Immutable;

namespace Monosemantic.Features.Exports;

/// <summary>One context as dashboards group it.</summary>
/// <param name="Low">Lower bound of the group; -1 in the group of the strongest.</param>
/// <param name="High">Upper bound of the group; the feature's largest activation in the group of the strongest.</param>
/// <param name="Contains">Share of all scanned positions in the group's range; -1 in the group of the strongest.</param>
/// <param name="Context">The context.</param>
internal sealed record DashboardRow(double Low, double High, double Contains, ContextEvidence Context);

/// <summary>A feature's numbers in the forms that dashboards share.</summary>
internal static class DashboardNumbers
{
    /// <summary>Contexts in groups: the strongest first, then those of each fifth of the firings, from the strongest down.</summary>
    internal static IEnumerable<ImmutableArray<DashboardRow>> Groups(UnitEvidence unit)
    {
        if (!unit.Contexts.IsEmpty) yield return [.. unit.Contexts.Select(context => new DashboardRow(-1, unit.Max, -1, context))];
        foreach (ContextGroup group in unit.Groups) yield return [.. group.Contexts.Select(context => new DashboardRow(group.Low, group.High, group.Share * unit.Density, context))];
    }

    /// <summary>Middles of the bins and firings in them, without the empty bins at both ends. Bins are equal in the logarithm.</summary>
    internal static (double[] Values, long[] Heights) Activations(UnitEvidence unit)
    {
        int[] filled = [.. Enumerable.Range(0, unit.Histogram.Length).Where(bin => unit.Histogram[bin] > 0)];
        if (filled.Length == 0) return ([], []);
        (int first, int last) = (filled[0], filled[^1]);
        double width = (unit.HistogramHigh - unit.HistogramLow) / unit.Histogram.Length;
        return ([.. Enumerable.Range(first, last - first + 1).Select(bin => Math.Pow(10, unit.HistogramLow + ((bin + 0.5) * width)))], [.. unit.Histogram[first..(last + 1)]]);
    }

    /// <summary>Middles of the bins and tokens in them.</summary>
    internal static (double[] Values, long[] Heights) Logits(UnitEvidence unit)
    {
        if (unit.Logits is not { } logits) return ([], []);
        double width = (logits.High - logits.Low) / logits.Counts.Length;
        return ([.. Enumerable.Range(0, logits.Counts.Length).Select(bin => logits.Low + ((bin + 0.5) * width))], [.. logits.Counts.Select(count => (long)count)]);
    }

    /// <summary>Neighbours of one relation and kind, closest first.</summary>
    internal static NeighbourEvidence[] Neighbours(UnitEvidence unit, Relation relation, UnitKind kind) => [.. unit.Neighbours.Where(neighbour => neighbour.Relation == relation && neighbour.Kind == kind)];

    /// <summary>The three largest entries of a decoder row, with their shares of the sum of all sizes.</summary>
    internal static (int[] Indices, float[] Values, double[] Shares) Alignment(float[] vector)
    {
        double sum = vector.Sum(value => (double)Math.Abs(value));
        int[] largest = [.. Enumerable.Range(0, vector.Length).OrderByDescending(i => Math.Abs(vector[i])).ThenBy(i => i).Take(3)];
        return (largest, [.. largest.Select(i => vector[i])], [.. largest.Select(i => sum > 0 ? Math.Abs(vector[i]) / sum : 0)]);
    }
}
