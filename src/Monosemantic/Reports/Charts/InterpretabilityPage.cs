using System.Collections.Immutable;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Probing;
using Monosemantic.Runtime;

namespace Monosemantic.Reports.Charts;

/// <summary>Features beside neurons and random directions, and what few of them tell: the picture of <c>eval --interpret</c>.</summary>
public static class InterpretabilityPage
{
    private static readonly (string Kind, string Shown, string Colour)[] Kinds = [("features", "features", "#2a6fb0"), ("neurons", "raw neurons", "#c9752d"), ("random_directions", "random directions", "#888888")];

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="result">What was measured.</param>
    /// <param name="subject">What it was measured on, for the lead.</param>
    public static void Write(string path, InterpretabilityResult result, string subject) => AtomicFile.WriteText(path, Render(result, subject));

    /// <summary>The page's HTML.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="subject">What it was measured on, for the lead.</param>
    public static string Render(InterpretabilityResult result, string subject)
    {
        ArgumentNullException.ThrowIfNull(result);
        string lead = $"{subject}: {Numbers.Count(result.TrainRows)} training and {Numbers.Count(result.TestRows)} held-out tokens. Every number has its definition in metrics.json.";
        return ChartPage.Render("How much features mean one thing each", lead, [.. result.UnitScores.Definitions.Select(score => Distribution(result, score.Key, score.Value)), .. Probes(result.Probing)]);
    }

    private static Chart Distribution(InterpretabilityResult result, string score, string definition)
    {
        ImmutableArray<object> traces =
        [
            .. Kinds.SelectMany(kind => result.UnitScores.Distributions.Where(found => found.Kind == kind.Kind && found.Score == score).Select(found => (object)new
            {
                type = "violin",
                y = found.Values,
                name = $"{kind.Shown} (median {Numbers.Short(found.Median.Value)})",
                box = new { visible = true },
                points = false,
                spanmode = "hard",
                line = new { color = kind.Colour },
            })),
        ];
        return new(score.Replace('_', ' '), $"{definition}. All fire equally often.", traces, new { height = 380, showlegend = false, yaxis = new { title = score.Replace('_', ' ') }, margin = new { t = 20 } });
    }

    private static IEnumerable<Chart> Probes(SparseProbingResult probing)
    {
        ProbeTaskResult[] tasks = [.. probing.Tasks.Where(task => task.Undefined is null)];
        if (tasks.Length == 0) yield break;
        object Bars(string probe, string name, string colour) => new
        {
            type = "bar",
            name,
            x = tasks.Select(task => task.Task),
            y = tasks.Select(task => task.Accuracy[probe].Value),
            error_y = Errors(tasks.Select(task => task.Accuracy[probe])),
            marker = new { color = colour },
        };
        yield return new(
            "What one feature tells",
            "Accuracy of a probe on the single most telling feature, on the single most telling coordinate, and on the whole activation; half of the examples are yes, so guessing gives 0.5.",
            [Bars("features_k1", "1 feature", "#2a6fb0"), Bars("raw_k1", "1 coordinate", "#c9752d"), Bars("raw_all", "whole activation", "#888888")],
            new { height = 460, barmode = "group", yaxis = new { title = "accuracy", range = new[] { 0.4, 1 } }, xaxis = new { tickangle = -40 }, margin = new { t = 20, b = 140 } });
    }

    private static object Errors(IEnumerable<MetricValue> numbers)
    {
        MetricValue[] all = [.. numbers];
        return new { type = "data", symmetric = false, array = all.Select(number => number.High - number.Value ?? 0), arrayminus = all.Select(number => number.Value - number.Low ?? 0) };
    }
}
