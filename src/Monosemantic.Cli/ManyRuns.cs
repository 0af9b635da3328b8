using System.Text.Json.Nodes;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Reports;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>Many trainings in one pass: a run file with an array <c>runs</c>; what stands beside it holds for all of them.</summary>
internal static class ManyRuns
{
    /// <summary>One line of the table of results.</summary>
    /// <param name="Name">The run.</param>
    /// <param name="Architecture">As it was trained.</param>
    /// <param name="DSae">Features.</param>
    /// <param name="Tokens">Tokens trained on.</param>
    /// <param name="L0">Features per held-out token; null where there is no held-out split to measure on.</param>
    /// <param name="Fvu">Fraction of variance unexplained there.</param>
    /// <param name="DeadFraction">Share of features that did not fire there.</param>
    private sealed record Line(string Name, string Architecture, int DSae, long? Tokens, double? L0, double? Fvu, double? DeadFraction);

    internal static void Train(SaeGroupRun[] runs, OpenSources sources, string folder, bool resume, bool quiet, CancellationToken cancellation)
    {
        long total = runs.Sum(run => run.Config.TotalSteps);
        Terminal.WithProgress(quiet, progress =>
        {
            SaeTrainerGroup.Train(runs, sources.Input, resume, progress is null ? null : new Bar(progress, total), cancellation: cancellation);
            return 0;
        });
        Line[] lines = [.. runs.Select(run => Measure(run, sources, cancellation))];
        JsonFile.Write(Path.Combine(folder, "runs.json"), lines);
        ParetoPoint[] points = [.. lines.Where(line => line.Fvu is not null).Select(line => new ParetoPoint(line.Name, line.L0!.Value, line.Fvu!.Value))];
        string picture = Path.Combine(folder, "pareto.html");
        if (points.Length > 0) ChartPage.Write(picture, "L0 against loss", Plots.Pareto(points));
        if (quiet)
        {
            Console.Out.Write(JsonFile.ToText(lines));
            return;
        }
        Terminal.PrintTable("trained", lines.Select(line => (line.Name, $"{line.Architecture}, {line.DSae:N0} features{(line.Fvu is { } fvu ? $", L0 {line.L0:F1}, FVU {fvu:F4}, dead {line.DeadFraction:P1}" : "")}")));
        Console.Out.WriteLine($"written: {Path.Combine(folder, "runs.json")}{(points.Length > 0 ? $", {picture}" : "")}");
    }

    /// <summary>The runs of a run file, checked.</summary>
    internal static SaeGroupRun[] Parse(JsonObject settings, string source, string[] overrides, string folder)
    {
        SaeGroupRun[] runs = [.. Each(settings, source, overrides, folder)];
        foreach (SaeGroupRun run in runs) run.Config.Check($"{source}, run {run.Name}");
        return runs;
    }

    private static IEnumerable<SaeGroupRun> Each(JsonObject settings, string source, string[] overrides, string folder)
    {
        int number = 0;
        foreach (JsonNode? node in settings["runs"]!.AsArray())
        {
            number++;
            JsonObject run = node as JsonObject ?? throw new UserErrorException($"{source}: run {number} is not an object of settings", "write for example {\"runs\": [{\"k\": 16}, {\"k\": 32}]}");
            JsonObject merged = settings.DeepClone().AsObject();
            merged.Remove("runs");
            foreach ((string key, JsonNode? value) in run) merged[key] = value?.DeepClone();
            string name = merged["name"]?.GetValue<string>() ?? $"run-{number}";
            if (name.Length == 0 || name.AsSpan().IndexOfAny(Path.GetInvalidFileNameChars()) >= 0 || name is "." or "..") throw new UserErrorException($"{source}: run {number} is named \"{name}\", which cannot be a folder", "use letters, digits and hyphens");
            merged.Remove("name");
            RunFile.Apply(merged, overrides);
            yield return new(name, RunFile.Parse<SaeTrainingConfig>(merged, $"{source}, run {name}"), Path.Combine(folder, name));
        }
        if (number == 0) throw new UserErrorException($"{source}: runs is empty", "give at least one run");
    }

    private static Line Measure(SaeGroupRun run, OpenSources sources, CancellationToken cancellation)
    {
        using SparseAutoencoder sae = SparseAutoencoder.Load(run.Folder);
        var line = new Line(run.Name, run.Config.Architecture, sae.Config.DSae, sae.Provenance.Tokens, null, null, null);
        if (sources.Single is not { } store || store.RowCount(Activations.StoreSplit.HeldOut) == 0) return line;
        EvaluationResult result = EvaluationRun.Execute(new EvaluationConfig { Sae = run.Folder, Activations = store.Folder, Baselines = false }, null, cancellation);
        return line with { L0 = result.L0, Fvu = result.Fvu, DeadFraction = result.DeadFraction };
    }

    private sealed class Bar(IProgress<ProgressReport> progress, long total) : IProgress<(string Name, TrainStep Step)>
    {
        private long done;

        public void Report((string Name, TrainStep Step) value) => progress.Report(new(
            "train", ++done, total, "steps", $"{value.Name}: FVU {value.Step.Fvu:F3}, L0 {value.Step.L0:F1}, dead {value.Step.DeadFeatures:N0}"));
    }
}
