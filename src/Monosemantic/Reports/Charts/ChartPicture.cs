using System.Globalization;
using System.Text.Json.Nodes;
using Plotly.NET;

namespace Monosemantic.Reports.Charts;

/// <summary>
/// A still picture of a chart as SVG, for where no script runs, such as a notebook on a code host. Draws what
/// <see cref="Plots"/> makes: bars, lines, points and heat maps on linear axes.
/// </summary>
internal sealed class ChartPicture
{
    private const double Left = 62, Top = 34;
    private static readonly double[] RoundSteps = [1, 2, 5, 10];
    private readonly JsonObject[] traces;
    private readonly JsonObject layout;
    private readonly double width, height, right, bottom;
    private readonly (double Low, double High) x, y;

    private ChartPicture(GenericChart chart)
    {
        JsonObject figure = ChartFigure.Of(chart);
        traces = [.. figure["data"]!.AsArray().OfType<JsonObject>()];
        layout = figure["layout"]!.AsObject();
        width = Number(layout["width"]) ?? 720;
        height = Math.Min(Number(layout["height"]) ?? 360, 900);
        (right, bottom) = (width - 18, height - 46);
        (x, y) = (Extent("x"), Extent("y"));
        if ((string?)layout["yaxis"]?["autorange"] == "reversed") y = (y.High, y.Low);
    }

    /// <summary>The picture.</summary>
    internal static Markup Of(GenericChart chart) => new ChartPicture(chart).Draw();

    private Markup Draw() => Markup.Of($"""
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {C(width)} {C(height)}" width="{C(width)}" height="{C(height)}" font-family="system-ui, sans-serif" font-size="11" role="img">
        <rect width="{C(width)}" height="{C(height)}" fill="#ffffff"/>
        <text x="12" y="20" font-size="14" font-weight="600" fill="#1d2127">{Plain(layout["title"]?["text"])}</text>
        {Grid()}{traces.Select(Trace)}{Legend()}
        <text x="{C((Left + right) / 2)}" y="{C(height - 8)}" text-anchor="middle" fill="#4a4f57">{Plain(layout["xaxis"]?["title"]?["text"])}</text>
        <text transform="translate(14 {C((Top + bottom) / 2)}) rotate(-90)" text-anchor="middle" fill="#4a4f57">{Plain(layout["yaxis"]?["title"]?["text"])}</text>
        </svg>
        """);

    private Markup Grid() => Markup.Of($"{Ticks(x, "xaxis").Select(tick => Markup.Of($"<line x1=\"{C(X(tick.At))}\" y1=\"{C(Top)}\" x2=\"{C(X(tick.At))}\" y2=\"{C(bottom)}\" stroke=\"#e7e8ea\"/><text x=\"{C(X(tick.At))}\" y=\"{C(bottom + 15)}\" text-anchor=\"middle\" fill=\"#6b7079\">{tick.Text}</text>\n"))}{Ticks(y, "yaxis").Select(tick => Markup.Of($"<line x1=\"{C(Left)}\" y1=\"{C(Y(tick.At))}\" x2=\"{C(right)}\" y2=\"{C(Y(tick.At))}\" stroke=\"#e7e8ea\"/><text x=\"{C(Left - 6)}\" y=\"{C(Y(tick.At) + 4)}\" text-anchor=\"end\" fill=\"#6b7079\">{tick.Text}</text>\n"))}");

    private Markup Trace(JsonObject trace) => (string?)trace["type"] switch
    {
        "bar" => Bars(trace),
        "heatmap" => Cells(trace),
        _ => Scatter(trace),
    };

    private Markup Bars(JsonObject trace)
    {
        double[] places = Numbers(trace["x"]), values = Numbers(trace["y"]);
        double step = places.Length > 1 ? places[1] - places[0] : 1, wide = Math.Max(1, (X(step) - X(0)) * 0.9);
        return Markup.Of($"{places.Zip(values, (at, value) => value == 0 ? Markup.Empty : Markup.Of($"<rect x=\"{C(X(at) - (wide / 2))}\" y=\"{C(Y(value))}\" width=\"{C(wide)}\" height=\"{C(Math.Max(1, Y(0) - Y(value)))}\" fill=\"{Color(trace)}\"/>\n"))}");
    }

    private Markup Cells(JsonObject trace)
    {
        double[][] rows = [.. trace["z"]!.AsArray().Select(row => Numbers(row))];
        double[] across = Numbers(trace["x"]), up = Numbers(trace["y"]);
        double high = Number(trace["zmax"]) ?? rows.SelectMany(row => row).DefaultIfEmpty(1).Max(), low = Number(trace["zmin"]) ?? 0;
        double wide = Math.Abs(X(1) - X(0)) * Step(across), tall = Math.Abs(Y(1) - Y(0)) * Step(up);
        var scale = new ColorScale(trace["colorscale"]);
        string ColorAt(double value) => scale.At(high > low ? (value - low) / (high - low) : 0);
        return Markup.Of($"{rows.SelectMany((row, i) => Runs(row, ColorAt).Select(run => Markup.Of($"<rect x=\"{C(X(across[run.From]) - (wide / 2))}\" y=\"{C(Y(up[i]) - (tall / 2))}\" width=\"{C((wide * run.Count) + 0.4)}\" height=\"{C(tall + 0.4)}\" fill=\"{run.Color}\"/>")))}\n{Written(trace, across, up)}");
    }

    // Neighbours of one colour as one cell: a picture is to stay small.
    private static IEnumerable<(int From, int Count, string Color)> Runs(double[] row, Func<double, string> colorAt)
    {
        for (int from = 0, to; from < row.Length; from = to)
        {
            string color = colorAt(row[from]);
            for (to = from + 1; to < row.Length && colorAt(row[to]) == color;) to++;
            yield return (from, to - from, color);
        }
    }

    // The text in the cells, where the chart shows it.
    private Markup Written(JsonObject trace, double[] across, double[] up) => trace["texttemplate"] is null
        ? Markup.Empty
        : Markup.Of($"{trace["text"]!.AsArray().SelectMany((row, i) => row!.AsArray().Select((text, j) => Markup.Of($"<text x=\"{C(X(across[j]))}\" y=\"{C(Y(up[i]) + 4)}\" text-anchor=\"middle\" font-size=\"9.5\" fill=\"#1d2127\">{Short(Plain(text))}</text>")))}\n");

    private Markup Scatter(JsonObject trace)
    {
        double[] places = Numbers(trace["x"]), values = Numbers(trace["y"]);
        string mode = (string?)trace["mode"] ?? "markers", color = Color(trace);
        (double X, double Y)[] points = [.. places.Zip(values).Where(point => double.IsFinite(point.Second)).Select(point => (X(point.First), Y(point.Second)))];
        var line = mode.Contains("lines", StringComparison.Ordinal) ? Markup.Of($"<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.8\" points=\"{string.Join(' ', points.Select(point => $"{C(point.X)},{C(point.Y)}"))}\"/>\n") : Markup.Empty;
        if (!mode.Contains("markers", StringComparison.Ordinal)) return line;
        double[] shades = trace["marker"]?["color"] is JsonArray ? Numbers(trace["marker"]!["color"]) : [];
        double high = shades.DefaultIfEmpty(1).Max();
        double size = (Number(trace["marker"]?["size"]) ?? 5) / 2;
        var dots = points.Select((point, i) => Markup.Of($"<circle cx=\"{C(point.X)}\" cy=\"{C(point.Y)}\" r=\"{C(size)}\" fill=\"{color}\" fill-opacity=\"{C(shades.Length > i && high > 0 ? 0.9 - (0.75 * shades[i] / high) : 0.9)}\"/>"));
        return Markup.Of($"{line}{dots}\n{(mode.Contains("text", StringComparison.Ordinal) ? Markup.Of($"{points.Zip(trace["text"]!.AsArray(), (point, text) => Markup.Of($"<text x=\"{C(point.X + 7)}\" y=\"{C(point.Y - 6)}\" fill=\"#1d2127\">{Plain(text)}</text>"))}") : Markup.Empty)}");
    }

    private Markup Legend() => (bool?)layout["showlegend"] != true
        ? Markup.Empty
        : Markup.Of($"{traces.Select((trace, i) => Markup.Of($"<rect x=\"{C(right - 150)}\" y=\"{C(Top + 6 + (16 * i))}\" width=\"10\" height=\"10\" fill=\"{Color(trace)}\"/><text x=\"{C(right - 135)}\" y=\"{C(Top + 15 + (16 * i))}\" fill=\"#1d2127\">{Plain(trace["name"])}</text>"))}\n");

    private (double Low, double High) Extent(string axis)
    {
        double[] all = [.. traces.SelectMany(trace => Numbers(trace[axis])).Where(double.IsFinite)];
        if (all.Length == 0) return (0, 1);
        double low = all.Min(), high = all.Max(), room = Math.Max((high - low) * 0.04, 1e-9);
        bool heat = traces.Any(trace => (string?)trace["type"] == "heatmap"), bars = traces.Any(trace => (string?)trace["type"] == "bar");
        if (heat) room = Step(Numbers(traces.First(trace => (string?)trace["type"] == "heatmap")[axis])) / 2;
        return bars && axis == "y" ? (0, high * 1.04) : (low - room, high + room);
    }

    // Those the chart names itself, or about six at round numbers.
    private IEnumerable<(double At, string Text)> Ticks((double Low, double High) range, string axis)
    {
        if (layout[axis]?["ticktext"] is JsonArray names) return Numbers(layout[axis]!["tickvals"]).Zip(names, (at, name) => (at, Short(Plain(name))));
        double low = Math.Min(range.Low, range.High), high = Math.Max(range.Low, range.High), wanted = (high - low) / 6;
        double power = Math.Pow(10, Math.Floor(Math.Log10(wanted))), step = RoundSteps.Select(factor => factor * power).First(candidate => candidate >= wanted * 0.999);
        return Enumerable.Range((int)Math.Ceiling(low / step), Math.Max(0, (int)Math.Floor(high / step) - (int)Math.Ceiling(low / step) + 1)).Select(i => (i * step, Math.Round(i * step, 9).ToString("0.######", CultureInfo.InvariantCulture)));
    }

    private double X(double value) => Left + ((right - Left) * (value - x.Low) / (x.High - x.Low));

    private double Y(double value) => bottom - ((bottom - Top) * (value - y.Low) / (y.High - y.Low));

    private static double Step(double[] places) => places.Length > 1 ? Math.Abs(places[1] - places[0]) : 1;

    private static string Color(JsonObject trace) => ((trace["marker"]?["color"] ?? trace["line"]?["color"]) is JsonValue color ? (string?)color : null) ?? ChartParts.Blue;

    private static double[] Numbers(JsonNode? node) => node is JsonArray array ? [.. array.Select(value => Number(value) ?? double.NaN)] : [];

    private static double? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue(out double number) ? number : null;

    // A chart's own text is escaped for plotly.js; Markup escapes again.
    private static string Plain(JsonNode? text) => text is null ? "" : text.ToString().Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal);

    private static string Short(string text) => text.Length <= 12 ? text : text[..11] + "…";

    private static string C(double value) => Reports.Numbers.Coordinate(Math.Round(value, 1));
}
