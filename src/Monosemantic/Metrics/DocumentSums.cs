using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Metrics;

/// <summary>Feeds metrics with rows, a document at a time, and turns their sums into numbers with intervals.</summary>
/// <param name="metrics">The metrics.</param>
internal sealed class DocumentSums(ImmutableArray<Metric> metrics) : IMetricAccumulator
{
    private readonly double[] open = new double[metrics.Sum(metric => metric.Width)];
    private readonly DocumentBootstrap bootstrap = new(metrics.Sum(metric => metric.Width));
    private int document;
    private bool any;

    /// <summary>Rows added.</summary>
    public long Rows { get; private set; }

    /// <summary>Documents met; one whose rows do not follow each other counts once for each of its parts.</summary>
    public long Documents => bootstrap.Documents + (any ? 1 : 0);

    /// <summary>Adds the first rows of a batch.</summary>
    /// <param name="rows">The batch.</param>
    /// <param name="count">How many of its rows.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(MetricRows rows, int count)
    {
        Rows += count;
        for (int start = 0, end; start < count; start = end)
        {
            end = start + 1;
            while (end < count && rows.Documents[end] == rows.Documents[start]) end++;
            if (any && rows.Documents[start] != document) Close();
            (document, any) = (rows.Documents[start], true);
            int at = 0;
            foreach (Metric metric in metrics)
            {
                metric.Add(rows, start, end, open.AsSpan(at, metric.Width));
                at += metric.Width;
            }
        }
    }

    /// <summary>Every number with its interval.</summary>
    /// <param name="split">Where the rows come from.</param>
    public IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        if (any) Close();
        return bootstrap.Numbers([.. metrics.SelectMany(metric => metric.Numbers)], Values, Rows, split);
    }

    private void Close()
    {
        bootstrap.Add(document, open);
        Array.Clear(open);
        any = false;
    }

    private double[] Values(ReadOnlySpan<double> sums)
    {
        var values = new double[metrics.Sum(metric => metric.Numbers.Length)];
        int at = 0, filled = 0;
        foreach (Metric metric in metrics)
        {
            metric.Compute(sums.Slice(at, metric.Width), values.AsSpan(filled, metric.Numbers.Length));
            at += metric.Width;
            filled += metric.Numbers.Length;
        }
        return values;
    }
}
