using System.Collections.Immutable;

namespace Monosemantic.Reports.Panels;

/// <summary>The panels of a report, in the order they stand on the page. A new panel is its file and a line here.</summary>
public static class ReportPanels
{
    /// <summary>All panels.</summary>
    public static ImmutableArray<Panel> All { get; } =
    [
        new RunCardPanel(),
        new MetricsPanel(),
        new BaselinesPanel(),
        new NeuronsAgainstFeaturesPanel(),
        new ExamplesPanel(),
        new DensityPanel(),
        new ActiveFeaturesPanel(),
        new ExplorePanel(),
        new MapPanel(),
        new LanguageModelPanel(),
        new UnitListPanel(),
        new UnitPagePanel(),
    ];
}
