using System.Collections.Immutable;
using Monosemantic.Metrics;

namespace Monosemantic.Reports.Panels;

/// <summary>One thing that was measured beside the dictionary.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does.</param>
/// <param name="Fvu">Its fraction of variance unexplained, with its interval.</param>
/// <param name="Cosine">Its cosine similarity.</param>
/// <param name="Share">Its FVU as a share of the panel's widest bar, 0 to 1.</param>
/// <param name="Verdict">Whether the dictionary is better.</param>
public sealed record BaselineRow(string Name, string Description, string Fvu, string Cosine, double Share, string Verdict);

/// <summary>The dictionary beside what is simpler.</summary>
/// <param name="Basis">What they were measured on.</param>
/// <param name="Rows">The dictionary and its baselines.</param>
public sealed record BaselinesContent(string Basis, ImmutableArray<BaselineRow> Rows);

/// <summary>What something simpler than the dictionary reaches with the same budget on the same rows.</summary>
public sealed class BaselinesPanel : Panel<BaselinesContent>
{
    private const string Fvu = "fvu", Cosine = "cosine_similarity";

    /// <inheritdoc/>
    public override string Id => "baselines";

    /// <inheritdoc/>
    public override string Title => "Beside what is simpler";

    /// <inheritdoc/>
    public override BaselinesContent? Build(ReportData data)
    {
        if (data.Run.Evaluation is not { Baselines: { IsDefaultOrEmpty: false } baselines }) return null;
        double widest = Math.Max(baselines.Max(baseline => ValueOf(baseline, Fvu)?.Value ?? 0), double.Epsilon);
        long rows = ValueOf(baselines[0], Fvu)?.Tokens ?? 0;
        return new($"The same numbers with the same budget on the same {Numbers.Count(rows)} tokens: a dictionary that does not beat them has found nothing.", [.. baselines.Select(baseline => Row(baseline, widest))]);
    }

    /// <inheritdoc/>
    public override Markup Render(BaselinesContent content) => Markup.Of($"""
        <p class="note">{content.Basis}</p>
        <table class="metrics baselines"><thead><tr><th scope="col">What</th><th scope="col" class="number">FVU</th><th scope="col" class="number">Cosine</th><th scope="col">Dictionary better?</th><th scope="col">What it does</th></tr></thead>
        <tbody>{content.Rows.Select(r => Markup.Of($"<tr><th scope=\"row\">{r.Name}</th><td class=\"number\"><meter min=\"0\" max=\"1\" value=\"{Numbers.Coordinate(r.Share)}\" aria-hidden=\"true\"></meter> {r.Fvu}</td><td class=\"number\">{r.Cosine}</td><td>{r.Verdict}</td><td>{r.Description}</td></tr>\n"))}</tbody></table>
        """);

    private static BaselineRow Row(BaselineResult baseline, double widest)
    {
        MetricValue? fvu = ValueOf(baseline, Fvu);
        string interval = fvu is { Low: { } low, High: { } high } ? $" ({Numbers.Short(low)} to {Numbers.Short(high)})" : "";
        string verdict = baseline.Beaten switch { true => "yes", false => "no: at least as good as the dictionary", null => Numbers.None };
        return new(baseline.Name.Replace('_', ' '), baseline.Description, Numbers.Short(fvu?.Value) + interval, Numbers.Short(ValueOf(baseline, Cosine)?.Value), Math.Clamp((fvu?.Value ?? 0) / widest, 0, 1), verdict);
    }

    private static MetricValue? ValueOf(BaselineResult baseline, string name) => baseline.Numbers.TryGetValue(name, out MetricValue? value) ? value : null;
}
