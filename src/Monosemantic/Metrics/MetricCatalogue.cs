using System.Collections.Immutable;
using Monosemantic.Metrics.Probing;
using Monosemantic.Metrics.Synthetic;

namespace Monosemantic.Metrics;

/// <summary>A number that this tool reports.</summary>
/// <param name="Group">Where it stands in <c>metrics.json</c>.</param>
/// <param name="Definition">Its one written definition.</param>
public sealed record CataloguedMetric(string Group, MetricDefinition Definition);

/// <summary>Every number there is, with its definition, straight from the metrics themselves; one line for each source.</summary>
public static class MetricCatalogue
{
    /// <summary>All numbers, in the order in which <c>eval</c> prints them.</summary>
    public static ImmutableArray<CataloguedMetric> All { get; } =
    [
        .. Of("numbers", CoreMetrics.OfDictionary(1, 1, hasMean: true).SelectMany(metric => metric.Numbers)),
        .. Of("numbers", FeatureDensity.Numbers),
        .. Of("numbers", Cooccurrence.Numbers),
        .. Of("numbers", DecoderGeometry.Definitions),
        .. Of("numbers", ModelBehaviour.Definitions),
        .. Of("numbers", Stability.Definitions),
        .. Of("ground_truth", GroundTruth.Definitions),
        .. Of("interpretability.probing", SparseProbing.Definitions),
        .. Of("interpretability.first_letters", FirstLetters.Definitions),
        .. Of("interpretability.unit_scores", UnitScores.Definitions),
    ];

    private static IEnumerable<CataloguedMetric> Of(string group, IEnumerable<MetricDefinition> definitions) => definitions.Select(definition => new CataloguedMetric(group, definition));
}
