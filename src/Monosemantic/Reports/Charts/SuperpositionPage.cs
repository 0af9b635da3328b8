using System.Collections.Immutable;
using Monosemantic.Metrics.Superposition;
using Monosemantic.Runtime;

namespace Monosemantic.Reports.Charts;

/// <summary>The geometry of toy models of superposition: the picture of <c>superposition</c>.</summary>
public static class SuperpositionPage
{
    private const int PerRow = 5;
    private static readonly string[] Colours = ["#2a6fb0", "#c9752d", "#3a8f4d", "#a03a8f", "#888888", "#b03a3a", "#1f8f8f", "#7a6a1f"];
    private static readonly (double At, string Name)[] Sticking = [(1, "dedicated"), (0.75, "tetrahedron"), (2.0 / 3, "triangle"), (0.5, "antipodal pair"), (0.4, "pentagon"), (0.375, "square antiprism")];

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="result">The trained models.</param>
    public static void Write(string path, SuperpositionResult result) => AtomicFile.WriteText(path, Render(result));

    /// <summary>The page's HTML.</summary>
    /// <param name="result">The trained models.</param>
    public static string Render(SuperpositionResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        SuperpositionConfig config = result.Config;
        string lead = $"{config.Features} features in {config.Dims} dimensions, x_hat = {(config.Linear ? "W^T W x + b" : "ReLU(W^T W x + b)")}, importance {config.ImportanceDecay}^i, {Numbers.Count(config.Steps)} steps of {Numbers.Count(config.Batch)} samples. A feature is present with the stated density.";
        List<Chart> charts = [Dimensionality(result), PerFeature(result)];
        if (config.Dims == 2) charts.Insert(0, Directions(result));
        return ChartPage.Render("Toy models of superposition", lead, charts);
    }

    private static Chart Directions(SuperpositionResult result)
    {
        var traces = ImmutableArray.CreateBuilder<object>();
        var layout = new Dictionary<string, object> { ["height"] = 260 * ((result.Instances.Length + PerRow - 1) / PerRow), ["showlegend"] = false, ["margin"] = new { t = 40 } };
        var titles = new List<object>();
        int rows = (result.Instances.Length + PerRow - 1) / PerRow;
        for (int i = 0; i < result.Instances.Length; i++)
        {
            SuperpositionInstance instance = result.Instances[i];
            string axis = i == 0 ? "" : (i + 1).ToString();
            double left = i % PerRow / (double)PerRow, top = 1 - (i / PerRow / (double)rows), width = 0.9 / PerRow, height = 0.82 / rows;
            layout[$"xaxis{axis}"] = new { domain = new[] { left, left + width }, range = new[] { -1.3, 1.3 }, anchor = $"y{axis}", zeroline = true, showticklabels = false };
            layout[$"yaxis{axis}"] = new { domain = new[] { top - height, top }, range = new[] { -1.3, 1.3 }, anchor = $"x{axis}", zeroline = true, showticklabels = false };
            titles.Add(new { text = $"density {Numbers.Short(instance.Density)}", x = left + (width / 2), y = top, xref = "paper", yref = "paper", xanchor = "center", yanchor = "bottom", showarrow = false });
            for (int feature = 0; feature < instance.Directions.Length; feature++)
            {
                double x = instance.Directions[feature][0], y = instance.Directions[feature][1];
                traces.Add(new { type = "scatter", mode = "lines+markers", x = new[] { 0, x }, y = new[] { 0, y }, xaxis = $"x{axis}", yaxis = $"y{axis}", name = $"feature {feature}", line = new { color = Colours[feature % Colours.Length] }, marker = new { size = 5 } });
            }
        }
        layout["annotations"] = titles;
        return new("Where the features lie", "One arrow for each feature's column of W, from dense (left, top) to sparse (right, bottom).", traces.ToImmutable(), layout);
    }

    private static Chart Dimensionality(SuperpositionResult result)
    {
        object trace = new
        {
            type = "scatter",
            mode = "markers",
            x = result.Instances.SelectMany(instance => instance.Dimensionality.Select(_ => 1 / instance.Density)),
            y = result.Instances.SelectMany(instance => instance.Dimensionality),
            text = result.Instances.SelectMany(instance => instance.Dimensionality.Select((_, feature) => $"feature {feature}")),
            marker = new { color = "#2a6fb0", opacity = 0.5, size = 7 },
        };
        var lines = Sticking.Select(point => new { type = "line", xref = "paper", x0 = 0, x1 = 1, y0 = point.At, y1 = point.At, line = new { color = "#bbbbbb", dash = "dot", width = 1 } });
        var names = Sticking.Select(point => new { text = point.Name, xref = "paper", x = 1, xanchor = "left", y = point.At, showarrow = false, font = new { size = 10, color = "#777777" } });
        return new("Dimensions that each feature gets", "|W_i|^2 / sum_j (W_i . W_j / |W_i|)^2 of every feature: 1 is a dimension of its own, 1/2 half of one (an antipodal pair), 2/5 a fifth of two (a pentagon), 0 not represented.", [trace], new { height = 420, xaxis = new { title = "1 / density", type = "log" }, yaxis = new { title = "dimensionality", range = new[] { -0.05, 1.1 } }, shapes = lines, annotations = names, margin = new { t = 20, r = 120 } });
    }

    private static Chart PerFeature(SuperpositionResult result)
    {
        object trace = new { type = "scatter", mode = "lines+markers", x = result.Instances.Select(instance => 1 / instance.Density), y = result.Instances.Select(instance => instance.DimensionsPerFeature), line = new { color = "#c9752d" } };
        return new("Dimensions per feature", "m / |W|_F^2: how many dimensions a represented feature has on the average.", [trace], new { height = 360, xaxis = new { title = "1 / density", type = "log" }, yaxis = new { title = "dimensions per feature", rangemode = "tozero" }, margin = new { t = 20 } });
    }
}
