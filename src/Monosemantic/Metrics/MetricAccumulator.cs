namespace Monosemantic.Metrics;

/// <summary>Numbers that are computed while rows stream by. How the rows are cut into batches changes no bit of them.</summary>
internal interface IMetricAccumulator
{
    /// <summary>Adds the first rows of a batch.</summary>
    /// <param name="rows">The batch.</param>
    /// <param name="count">How many of its rows.</param>
    void Add(MetricRows rows, int count);

    /// <summary>The numbers over everything added so far, by name; what is undefined says why.</summary>
    /// <param name="split">Where the rows come from.</param>
    IReadOnlyDictionary<string, MetricValue> Compute(string split);
}
