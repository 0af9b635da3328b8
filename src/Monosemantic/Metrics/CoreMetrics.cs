using System.Collections.Immutable;

namespace Monosemantic.Metrics;

/// <summary>The metrics that <c>eval</c> computes from activations, one line each.</summary>
internal static class CoreMetrics
{
    /// <summary>Every metric of a reconstruction.</summary>
    /// <param name="dModel">Width of an activation.</param>
    /// <param name="hasMean">Whether the rows' shift is the mean of their store.</param>
    internal static ImmutableArray<Metric> OfReconstruction(int dModel, bool hasMean) =>
    [
        new ReconstructionError(dModel),
        new LegacyExplainedVariance(hasMean),
        new CosineSimilarity(),
        new Norms(),
    ];

    /// <summary>Every metric of a dictionary.</summary>
    /// <param name="dModel">Width of an activation.</param>
    /// <param name="dSae">Number of features.</param>
    /// <param name="hasMean">Whether the rows' shift is the mean of their store.</param>
    internal static ImmutableArray<Metric> OfDictionary(int dModel, int dSae, bool hasMean) =>
    [
        .. OfReconstruction(dModel, hasMean),
        // Last: most of its sums are 0, and the bootstrap stops at the last one that is not.
        new Sparsity(dSae),
    ];
}
