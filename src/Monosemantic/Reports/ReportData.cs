using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports;

/// <summary>Everything a report shows, as plain data: the same data give the same bytes on any machine.</summary>
public sealed record ReportData
{
    /// <summary>The report's heading.</summary>
    public required string Title { get; init; }

    /// <summary>What was scanned and with what, its evaluation and the facts about its model included.</summary>
    public required FeatureIndexCard Run { get; init; }

    /// <summary>The dictionary's features.</summary>
    public required ImmutableArray<UnitEvidence> Features { get; init; }

    /// <summary>Raw neurons of the same model, to hold the features against; may be empty.</summary>
    public required ImmutableArray<UnitEvidence> Neurons { get; init; }

    /// <summary>
    /// The text of each token id that the evidence names; other ids may be there too and are left out of the report. An id
    /// without text is shown by its number.
    /// </summary>
    public required ImmutableSortedDictionary<int, string> Vocabulary { get; init; }
}
