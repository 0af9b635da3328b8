using System.Collections.Immutable;
using Monosemantic.Metrics;

namespace Monosemantic.Reports.Panels;

/// <summary>A metric as it is read: its name, its value and what it means.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
/// <param name="Definition">One line: formula, unit, which way is better.</param>
public sealed record MetricRow(string Name, string Value, string Definition);

/// <summary>How good the dictionary is.</summary>
/// <param name="Basis">What was evaluated.</param>
/// <param name="Rows">The metrics.</param>
public sealed record MetricsContent(string Basis, ImmutableArray<MetricRow> Rows);

/// <summary>The metrics table.</summary>
public sealed class MetricsPanel : Panel<MetricsContent>
{
    /// <inheritdoc/>
    public override string Id => "metrics";

    /// <inheritdoc/>
    public override string Title => "How good the dictionary is";

    /// <inheritdoc/>
    public override MetricsContent? Build(ReportData data) => data.Run.Evaluation is not { } e ? null : new(
        $"Measured on {Numbers.Count(e.Rows)} tokens ({e.Split.Replace('_', ' ')}).",
        [
            new("FVU", Numbers.Short(e.Fvu), "Fraction of variance unexplained: E|x − x̂|² / E|x − mean x|². 0 is perfect; 1 is no better than the mean."),
            new("MSE per vector", Numbers.Short(e.MsePerVector), "E|x − x̂|², summed over the vector's dimensions."),
            new("Cosine similarity", Numbers.Short(e.CosineSimilarity), "Mean cosine of x and x̂; 1 is perfect."),
            new("L0", Numbers.Short(e.L0), "Mean number of features that fire per token; fewer is sparser."),
            new("Dead features", Numbers.Percent(e.DeadFraction), "Share of features that fire on none of these tokens."),
            .. CrossEntropyRows(e.CrossEntropy),
        ]);

    /// <inheritdoc/>
    public override Markup Render(MetricsContent content) => Markup.Of($"""
        <p class="note">{content.Basis} x is the model's activation, x̂ the dictionary's reconstruction of it.</p>
        <table class="metrics"><thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th><th scope="col">What it says</th></tr></thead>
        <tbody>{content.Rows.Select(r => Markup.Of($"<tr><th scope=\"row\">{r.Name}</th><td class=\"number\">{r.Value}</td><td>{r.Definition}</td></tr>\n"))}</tbody></table>
        """);

    private static ImmutableArray<MetricRow> CrossEntropyRows(CrossEntropyResult? c) => c is null ? [] :
    [
        new("CE, original", Numbers.Short(c.Original), $"Cross-entropy of the model's next-token predictions, nats per token, over {Numbers.Count(c.Tokens)} predictions."),
        new("CE, spliced", Numbers.Short(c.Spliced), "The same with x replaced by x̂ at the hook point."),
        new("CE, zero-ablated", Numbers.Short(c.ZeroAblation), "The same with x replaced by zero."),
        new("CE recovered", Numbers.Percent(c.Recovered), "(zero-ablated − spliced) / (zero-ablated − original). 100 % is as good as the model itself."),
    ];
}
