using System.Collections.Immutable;
using Monosemantic.Metrics.Scaling;
using Monosemantic.Runtime;

namespace Monosemantic.Reports.Charts;

/// <summary>How the loss falls with width and compute, with the fitted laws: the picture of <c>sweep</c>.</summary>
public static class ScalingPage
{
    private static readonly string[] Colours = ["#2a6fb0", "#c9752d", "#3a8f4d", "#a03a8f", "#888888", "#b03a3a", "#1f8f8f", "#7a6a1f"];

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="result">The sweep.</param>
    public static void Write(string path, ScalingResult result) => AtomicFile.WriteText(path, Render(result));

    /// <summary>The page's HTML.</summary>
    /// <param name="result">The sweep.</param>
    public static string Render(ScalingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        string lead = string.Join(" ", result.Fits.Select(fit => fit.Undefined is null ? $"{fit.Formula}: {string.Join(", ", fit.Exponents.Select(pair => $"{pair.Key} {Numbers.Short(pair.Value.Value)}{(pair.Value.Low is { } low && pair.Value.High is { } high ? $" [{Numbers.Short(low)}, {Numbers.Short(high)}]" : "")}"))}." : $"{fit.Formula}: undefined ({fit.Undefined})."));
        return ChartPage.Render($"Scaling of {result.Architecture} dictionaries", lead, [ByWidth(result), ByCompute(result)]);
    }

    private static Chart ByWidth(ScalingResult result)
    {
        long[] budgets = [.. result.Points.Select(point => point.Tokens).Distinct().Order()];
        PowerLawFit? fit = result.Fits.FirstOrDefault(found => found is { Name: "width_and_tokens", Undefined: null } or { Name: "width", Undefined: null });
        var traces = ImmutableArray.CreateBuilder<object>();
        for (int i = 0; i < budgets.Length; i++)
        {
            ScalingPoint[] points = [.. result.Points.Where(point => point.Tokens == budgets[i]).OrderBy(point => point.DSae)];
            string colour = Colours[i % Colours.Length];
            traces.Add(Points(points, point => point.DSae, $"{Numbers.Count(budgets[i])} tokens", colour));
            if (fit is null) continue;
            double[] widths = [.. points.Select(point => (double)point.DSae).Distinct()];
            traces.Add(Line(widths, [.. widths.Select(width => fit.At(width, budgets[i]))], "fit", colour));
        }
        return new("Loss against width", "Fraction of variance unexplained on held-out tokens with its 95 % interval, one colour for each token budget; lines are the fitted law.", traces.ToImmutable(), Logarithmic("features"));
    }

    private static Chart ByCompute(ScalingResult result)
    {
        PowerLawFit? fit = result.Fits.FirstOrDefault(found => found is { Name: "compute", Undefined: null });
        var traces = ImmutableArray.CreateBuilder<object>();
        int[] widths = [.. result.Points.Select(point => point.DSae).Distinct().Order()];
        for (int i = 0; i < widths.Length; i++) traces.Add(Points([.. result.Points.Where(point => point.DSae == widths[i]).OrderBy(point => point.Compute)], point => point.Compute, $"{Numbers.Count(widths[i])} features", Colours[i % Colours.Length]));
        if (fit is not null)
        {
            double[] frontier = [.. ScalingLaws.Frontier(result.Points).Select(point => point.Compute)];
            traces.Add(Line(frontier, [.. frontier.Select(compute => fit.At(compute))], "fit to the frontier", "#888888"));
        }
        return new("Loss against compute", "Compute is 12 d_model d_sae floating-point operations a token: encoder and decoder, forward and backward. The line is fitted to the runs that no cheaper run beats.", traces.ToImmutable(), Logarithmic("training compute, FLOP"));
    }

    private static object Points(ScalingPoint[] points, Func<ScalingPoint, double> at, string name, string colour) => new
    {
        type = "scatter",
        mode = "markers",
        name,
        x = points.Select(at),
        y = points.Select(point => point.Loss.Value),
        text = points.Select(point => $"{Numbers.Count(point.DSae)} features, {Numbers.Count(point.Tokens)} tokens, seed {point.Seed}"),
        error_y = new { type = "data", symmetric = false, array = points.Select(point => point.Loss.High - point.Loss.Value ?? 0), arrayminus = points.Select(point => point.Loss.Value - point.Loss.Low ?? 0) },
        marker = new { color = colour, size = 9 },
    };

    private static object Line(double[] x, double[] y, string name, string colour) => new { type = "scatter", mode = "lines", name, x, y, line = new { color = colour, dash = "dot" } };

    private static object Logarithmic(string axis) => new { height = 460, xaxis = new { title = new { text = axis }, type = "log" }, yaxis = new { title = new { text = "FVU" }, type = "log" }, margin = new { t = 20 } };
}
