using System.Collections.Immutable;
using Monosemantic.Metrics;

namespace Monosemantic.Reports.Panels;

/// <summary>A metric as it is read: its name, its value, how sure it is and what it means.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
/// <param name="Interval">Its 95 % interval; a dash where it has none.</param>
/// <param name="Definition">One line: formula, unit, which way is better.</param>
public sealed record MetricRow(string Name, string Value, string Interval, string Definition);

/// <summary>How good the dictionary is.</summary>
/// <param name="Basis">What was evaluated.</param>
/// <param name="Rows">The metrics that one looks at first.</param>
/// <param name="All">Every number of the evaluation.</param>
public sealed record MetricsContent(string Basis, ImmutableArray<MetricRow> Rows, ImmutableArray<MetricRow> All);

/// <summary>The metrics table.</summary>
public sealed class MetricsPanel : Panel<MetricsContent>
{
    /// <inheritdoc/>
    public override string Id => "metrics";

    /// <inheritdoc/>
    public override string Title => "How good the dictionary is";

    /// <inheritdoc/>
    public override MetricsContent? Build(ReportData data) => data.Run.Evaluation is not { } e ? null : new(
        $"Measured on {Numbers.Count(e.Rows)} tokens ({e.Split.Replace('_', ' ')}){(e.Numbers.Count > 0 ? $"; 95 % intervals from {Numbers.Count(e.Intervals.Resamples)} resamples of documents" : "")}.",
        [
            new("FVU", Numbers.Short(e.Fvu), Interval(e, "fvu"), "Fraction of variance unexplained: E|x − x̂|² / E|x − mean x|². 0 is perfect; 1 is no better than the mean."),
            new("MSE per vector", Numbers.Short(e.MsePerVector), Interval(e, "mse_per_vector"), "E|x − x̂|², summed over the vector's dimensions."),
            new("Cosine similarity", Numbers.Short(e.CosineSimilarity), Interval(e, "cosine_similarity"), "Mean cosine of x and x̂; 1 is perfect."),
            new("L0", Numbers.Short(e.L0), Interval(e, "l0"), "Mean number of features that fire per token; fewer is sparser."),
            new("Dead features", Numbers.Percent(e.DeadFraction), Interval(e, "dead_fraction", Numbers.Percent), "Share of features that fire on none of these tokens."),
            .. CrossEntropyRows(e),
        ],
        [.. e.Numbers.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new MetricRow(pair.Key, Numbers.Short(pair.Value.Value), Interval(e, pair.Key), pair.Value.Undefined ?? Described(pair.Value)))]);

    /// <inheritdoc/>
    public override Markup Render(MetricsContent content) => Markup.Of($"""
        <p class="note">{content.Basis} x is the model's activation, x̂ the dictionary's reconstruction of it.</p>
        {Table("metrics", content.Rows)}{(content.All.IsEmpty ? Markup.Empty : Markup.Of($"<details class=\"provenance\"><summary>All {content.All.Length} numbers, by their names in metrics.json</summary>{Table("metrics all", content.All)}</details>"))}
        """);

    private static Markup Table(string style, ImmutableArray<MetricRow> rows) => Markup.Of($"""
        <table class="{style}"><thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th><th scope="col" class="interval">95 % interval</th><th scope="col">What it says</th></tr></thead>
        <tbody>{rows.Select(r => Markup.Of($"<tr><th scope=\"row\">{r.Name}</th><td class=\"number\">{r.Value}</td><td class=\"interval\">{r.Interval}</td><td>{r.Definition}</td></tr>\n"))}</tbody></table>
        """);

    private static ImmutableArray<MetricRow> CrossEntropyRows(EvaluationResult e) => e.CrossEntropy is not { } c ? [] :
    [
        new("CE, original", Numbers.Short(c.Original), Interval(e, "ce_original"), $"Cross-entropy of the model's next-token predictions, nats per token, over {Numbers.Count(c.Tokens)} predictions."),
        new("CE, spliced", Numbers.Short(c.Spliced), Interval(e, "ce_spliced"), "The same with x replaced by x̂ at the hook point."),
        new("CE, zero-ablated", Numbers.Short(c.ZeroAblation), Interval(e, "ce_zero_ablation"), "The same with x replaced by zero."),
        new("CE recovered", Numbers.Percent(c.Recovered), Interval(e, "ce_recovered_zero", Numbers.Percent), "(zero-ablated − spliced) / (zero-ablated − original). 100 % is as good as the model itself."),
    ];

    private static string Described(MetricValue number) => number.Unit.Length > 0 ? $"{number.Formula} ({number.Unit})" : number.Formula;

    private static string Interval(EvaluationResult e, string name, Func<double?, string>? write = null)
    {
        write ??= Numbers.Short;
        return e.Numbers.TryGetValue(name, out MetricValue? number) && number is { Low: { } low, High: { } high } ? $"{write(low)} to {write(high)}" : Numbers.None;
    }
}
