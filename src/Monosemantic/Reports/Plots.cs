using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Models;
using Monosemantic.Reports.Charts;
using Plotly.NET;

namespace Monosemantic.Reports;

/// <summary>A dictionary's place between sparse and exact.</summary>
/// <param name="Name">What it is called in the chart.</param>
/// <param name="L0">Mean number of features that fire per token.</param>
/// <param name="Fvu">Fraction of variance unexplained; less is better.</param>
public sealed record ParetoPoint(string Name, double L0, double Fvu);

/// <summary>A line of a chart.</summary>
/// <param name="Name">What it is called in the legend.</param>
/// <param name="X">Its places across.</param>
/// <param name="Y">Its values.</param>
public sealed record ChartLine(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y);

/// <summary>
/// Pictures of what was found, as Plotly.NET charts: shown in a notebook as they are, written as a page of their own by
/// <see cref="ChartPage"/>. The same data give the same chart; text from outside is shown literally.
/// </summary>
public static class Plots
{
    private const int BinsPerDecade = 5, LowestDecade = -6, TokensAround = 8;

    /// <summary>How many features fire how often: a histogram of log10 density. Features that never fire are counted in the title.</summary>
    /// <param name="index">The index.</param>
    public static GenericChart DensityHistogram(FeatureIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        double[] powers = [.. index.Features.Where(unit => unit.Density > 0).Select(unit => Math.Log10(unit.Density))];
        Distribution bins = Distribution.Of(powers, LowestDecade, 0, -LowestDecade * BinsPerDecade);
        double Edge(int bin) => LowestDecade + ((double)bin / BinsPerDecade);
        Trace bars = ChartParts.Trace(
            "bar",
            ("x", bins.Counts.Select((_, bin) => Math.Round(Edge(bin) + (0.5 / BinsPerDecade), 6)).ToArray()),
            ("y", bins.Counts.ToArray()),
            ("text", bins.Counts.Select((_, bin) => $"{Numbers.Percent(Math.Pow(10, Edge(bin)))} to {Numbers.Percent(Math.Pow(10, Edge(bin + 1)))} of the tokens").ToArray()),
            ("textposition", "none"),
            ("hovertemplate", "%{text}: %{y} features<extra></extra>"),
            ("marker", ChartParts.Group(("color", ChartParts.Blue))));
        string silent = index.Features.Length > powers.Length ? $"; {Numbers.Count(index.Features.Length - powers.Length)} never fire" : "";
        return ChartParts.Chart($"How often features fire{silent}", "density: share of tokens at which a feature fires, log10", "features", [bars], ("bargap", 0.06));
    }

    /// <summary>Dictionaries by sparsity and error: the nearer to the lower left, the better.</summary>
    /// <param name="dictionaries">The dictionaries.</param>
    public static GenericChart Pareto(IEnumerable<ParetoPoint> dictionaries)
    {
        ArgumentNullException.ThrowIfNull(dictionaries);
        ParetoPoint[] points = [.. dictionaries.OrderBy(point => point.L0).ThenBy(point => point.Fvu)];
        double best = double.PositiveInfinity;
        ParetoPoint[] front = [.. points.Where(point => point.Fvu < best && (best = point.Fvu) == point.Fvu)];
        Trace edge = ChartParts.Trace("scatter", ("mode", "lines"), ("name", "none is better in both"), ("x", front.Select(point => point.L0).ToArray()), ("y", front.Select(point => point.Fvu).ToArray()), ("line", ChartParts.Group(("color", ChartParts.Grey), ("shape", "hv"), ("dash", "dot"))), ("hoverinfo", "skip"));
        Trace all = ChartParts.Trace(
            "scatter",
            ("mode", "markers+text"),
            ("name", "dictionaries"),
            ("x", points.Select(point => point.L0).ToArray()),
            ("y", points.Select(point => point.Fvu).ToArray()),
            ("text", points.Select(point => ChartParts.Label(point.Name)).ToArray()),
            ("textposition", "top right"),
            ("hovertemplate", "%{text}<br>L0 %{x:.4~g}, FVU %{y:.4~g}<extra></extra>"),
            ("marker", ChartParts.Group(("color", ChartParts.Blue), ("size", 9))));
        return ChartParts.Chart("Sparsity against error", "L0: features that fire per token", "FVU: fraction of variance unexplained", [edge, all], ("showlegend", false));
    }

    /// <summary>Every feature as a point on the first two principal components of the decoder directions, coloured by token entropy.</summary>
    /// <param name="index">The index.</param>
    public static GenericChart FeatureMap(FeatureIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        UnitEvidence[] placed = [.. index.Features.Where(unit => unit.Map is not null)];
        Trace points = ChartParts.Trace(
            "scatter",
            ("mode", "markers"),
            ("x", placed.Select(unit => Math.Round(unit.Map!.X, 4)).ToArray()),
            ("y", placed.Select(unit => Math.Round(unit.Map!.Y, 4)).ToArray()),
            ("text", placed.Select(unit => $"feature {unit.Index}: {Tokens(index, unit)}").ToArray()),
            ("hovertemplate", "%{text}<extra></extra>"),
            ("marker", ChartParts.Group(
                ("size", placed.Length > 6000 ? 3 : 5),
                ("opacity", 0.75),
                ("color", placed.Select(unit => Math.Round(unit.TokenEntropy ?? 0, 2)).ToArray()),
                ("colorscale", "Cividis"),
                ("reversescale", true),
                ("colorbar", ChartParts.Group(("title", ChartParts.Group(("text", "token entropy, bits"), ("side", "right"))), ("thickness", 12))))));
        return ChartParts.Chart("The dictionary's directions, by principal components", "first component", "second component", [points], ("height", 560));
    }

    /// <summary>Activations as colours: one row per unit, one column per token.</summary>
    /// <param name="title">What is shown.</param>
    /// <param name="tokens">The tokens, in order.</param>
    /// <param name="units">Names of the units, such as feature 12.</param>
    /// <param name="activations">Of each unit, its activation at each token [units, tokens].</param>
    public static GenericChart ActivationHeatmap(string title, IReadOnlyList<string> tokens, IReadOnlyList<string> units, IReadOnlyList<IReadOnlyList<double>> activations)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(activations);
        if (activations.Count != units.Count || activations.Any(row => row.Count != tokens.Count)) throw new ArgumentException($"{activations.Count} rows are not {units.Count} units at {tokens.Count} tokens each", nameof(activations));
        Trace map = ChartParts.Trace(
            "heatmap",
            ("z", activations.Select(row => row.Select(value => Numbers.Rounded(value) ?? 0).ToArray()).ToArray()),
            ("x", Enumerable.Range(0, tokens.Count).ToArray()),
            ("y", Enumerable.Range(0, units.Count).ToArray()),
            ("text", activations.Select((row, i) => row.Select((_, at) => $"{ChartParts.Label(units[i])}, token {at}: {ChartParts.Label(tokens[at])}").ToArray()).ToArray()),
            ("hovertemplate", "%{text}<br>activation %{z}<extra></extra>"),
            ("zmin", 0),
            ("colorscale", ChartParts.Ramp),
            ("colorbar", ChartParts.Group(("thickness", 12))));
        object Named(string axis, IReadOnlyList<string> names, params (string, object)[] more) => ChartParts.Axis(axis, [("tickmode", "array"), ("tickvals", Enumerable.Range(0, names.Count).ToArray()), ("ticktext", names.Select(ChartParts.Label).ToArray()), .. more]);
        return ChartParts.Chart(title, "", "", [map], ("xaxis", Named("", tokens, ("tickangle", -45))), ("yaxis", Named("", units, ("autorange", "reversed"))), ("height", 140 + (26 * units.Count)), ("margin", ChartParts.Group(("l", 130), ("r", 20), ("t", 50), ("b", 100))));
    }

    /// <summary>A feature's strongest contexts: one row per context, the tokens around its peak in columns.</summary>
    /// <param name="index">The index.</param>
    /// <param name="feature">Index of the feature.</param>
    /// <exception cref="Runtime.UserErrorException">There is no such feature.</exception>
    public static GenericChart ActivationHeatmap(FeatureIndex index, int feature)
    {
        ArgumentNullException.ThrowIfNull(index);
        UnitEvidence unit = index.Feature(feature).Unit;
        int[] offsets = [.. Enumerable.Range(-TokensAround, (2 * TokensAround) + 1)];
        double At(ContextEvidence context, int offset) => (uint)(context.Peak + offset) < (uint)context.Activations.Length ? context.Activations[context.Peak + offset] : 0;
        string Text(ContextEvidence context, int offset) => (uint)(context.Peak + offset) < (uint)context.Tokens.Length ? index.TokenText(context.Tokens[context.Peak + offset]) : "";
        Trace map = ChartParts.Trace(
            "heatmap",
            ("z", unit.Contexts.Select(context => offsets.Select(offset => Numbers.Rounded(At(context, offset)) ?? 0).ToArray()).ToArray()),
            ("x", offsets),
            ("y", Enumerable.Range(1, unit.Contexts.Length).ToArray()),
            ("text", unit.Contexts.Select(context => offsets.Select(offset => ChartParts.Label(Text(context, offset))).ToArray()).ToArray()),
            ("texttemplate", "%{text}"),
            ("hovertemplate", "%{text}<br>activation %{z}<extra></extra>"),
            ("zmin", 0),
            ("colorscale", ChartParts.Ramp),
            ("colorbar", ChartParts.Group(("thickness", 12))));
        return ChartParts.Chart($"Feature {feature}: {Tokens(index, unit)}", "tokens from the peak", "context, strongest first", [map], ("yaxis", ChartParts.Axis("context, strongest first", ("autorange", "reversed"), ("dtick", 1))), ("height", 150 + (30 * unit.Contexts.Length)));
    }

    /// <summary>What a classifier says about each place of the plane, with the points it learns from on top.</summary>
    /// <param name="title">What is shown.</param>
    /// <param name="surface">Chances of class 1.</param>
    /// <param name="points">The points.</param>
    public static GenericChart DecisionSurface(string title, PlaneSurface surface, IReadOnlyList<PlanePoint> points)
    {
        ArgumentNullException.ThrowIfNull(surface);
        ArgumentNullException.ThrowIfNull(points);
        double[] places = [.. Enumerable.Range(0, surface.Chances.Length).Select(i => Math.Round(surface.Low + ((surface.High - surface.Low) * i / Math.Max(1, surface.Chances.Length - 1)), 4))];
        Trace chances = ChartParts.Trace(
            "heatmap",
            ("z", surface.Chances.Select(row => row.Select(chance => Math.Round(chance, 3)).ToArray()).ToArray()),
            ("x", places),
            ("y", places),
            ("zmin", 0),
            ("zmax", 1),
            ("colorscale", new object[][] { [0.0, "#9bbce6"], [0.5, "#f7f7f7"], [1.0, "#f2b77c"] }),
            ("colorbar", ChartParts.Group(("thickness", 12))));
        Trace Class(int number, string color) => ChartParts.Trace(
            "scatter",
            ("mode", "markers"),
            ("name", $"class {number}"),
            ("x", points.Where(point => point.Class == number).Select(point => Math.Round(point.X, 3)).ToArray()),
            ("y", points.Where(point => point.Class == number).Select(point => Math.Round(point.Y, 3)).ToArray()),
            ("marker", ChartParts.Group(("color", color), ("size", 6), ("symbol", number == 0 ? "circle" : "diamond"), ("line", ChartParts.Group(("color", "#ffffff"), ("width", 1))))));
        return ChartParts.Chart(title, "", "", [chances, Class(0, ChartParts.Blue), Class(1, ChartParts.Orange)], ("showlegend", false), ("width", 460), ("height", 420));
    }

    /// <summary>Lines over a common axis, such as a loss over steps.</summary>
    /// <param name="title">What is shown.</param>
    /// <param name="x">What goes across.</param>
    /// <param name="y">What goes up.</param>
    /// <param name="lines">The lines.</param>
    public static GenericChart Lines(string title, string x, string y, params ImmutableArray<ChartLine> lines)
    {
        string[] colors = [ChartParts.Blue, ChartParts.Orange, ChartParts.Grey, "#7b519d", "#3f8f5f"];
        return ChartParts.Chart(title, x, y, lines.Select((line, i) => ChartParts.Trace(
            "scatter",
            ("mode", line.X.Count > 60 ? "lines" : "lines+markers"),
            ("name", ChartParts.Label(line.Name)),
            ("x", line.X.ToArray()),
            ("y", line.Y.Select(value => Numbers.Rounded(value, 6) ?? double.NaN).ToArray()),
            ("line", ChartParts.Group(("color", colors[i % colors.Length]))))), ("showlegend", lines.Length > 1));
    }

    private static string Tokens(FeatureIndex index, UnitEvidence unit) =>
        unit.Tokens.IsEmpty ? "never fires" : string.Join(" | ", unit.Tokens.Take(5).Select(token => ChartParts.Label(index.TokenText(token.Token))));
}
