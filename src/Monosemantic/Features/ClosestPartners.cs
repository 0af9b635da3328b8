using System.Runtime.CompilerServices;

namespace Monosemantic.Features;

/// <summary>Of some units, the others that fire most often with each, and those whose activations correlate most with its own.</summary>
/// <param name="first">First of the units.</param>
/// <param name="units">How many there are.</param>
/// <param name="count">Others to keep of each.</param>
/// <param name="rows">Rows scanned.</param>
/// <param name="moments">Mean and standard deviation of every unit's activation over them.</param>
internal sealed class ClosestPartners(int first, int units, int count, long rows, (double Mean, double Deviation)[] moments)
{
    /// <summary>By Pearson correlation; those of a unit that never varies are empty.</summary>
    internal LargestFew[] Correlated { get; } = Lists(units, count);

    /// <summary>By rows at which both fire.</summary>
    internal LargestFew[] Often { get; } = Lists(units, count);

    /// <summary>Takes in a pair of units that fire together.</summary>
    /// <param name="unit">One of the units.</param>
    /// <param name="other">The other of the pair.</param>
    /// <param name="together">Rows at which both fire.</param>
    /// <param name="sum">Sum of the products of their activations there.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Offer(int unit, int other, long together, double sum)
    {
        ((double mean, double deviation), (double otherMean, double otherDeviation)) = (moments[unit], moments[other]);
        Often[unit - first].Offer(other, together, together);
        if (deviation > 0 && otherDeviation > 0) Correlated[unit - first].Offer(other, ((sum / rows) - (mean * otherMean)) / (deviation * otherDeviation), together);
    }

    private static LargestFew[] Lists(int units, int count) => [.. Enumerable.Range(0, units).Select(_ => new LargestFew(count))];
}
