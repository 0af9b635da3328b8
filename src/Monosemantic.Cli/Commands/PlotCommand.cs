using System.CommandLine;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Reports;
using Monosemantic.Runtime;
using Plotly.NET;

namespace Monosemantic.Cli.Commands;

/// <summary><c>plot</c>: one chart as a page that opens from disk.</summary>
internal static class PlotCommand
{
    private static readonly string[] Kinds = ["density", "map", "heatmap", "pareto"];

    internal static Command Create()
    {
        var kind = new Argument<string>("KIND") { Description = "density: how often features fire; map: the decoder directions; heatmap: one feature's contexts; pareto: L0 against FVU of several dictionaries" };
        kind.AcceptOnlyFromAmong(Kinds);
        var sources = new Argument<string[]>("DIR") { Description = "a feature index that scan wrote; for pareto, indexes, dictionaries with a metrics.json, or metrics.json files", Arity = ArgumentArity.OneOrMore };
        var feature = new Option<int?>("--feature") { Description = "the feature of a heatmap", HelpName = "N" };
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "the HTML file to write", DefaultValueFactory = _ => "plot.html", HelpName = "FILE" });
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "plot",
            "Draws one chart as an HTML page that opens from disk: plotly.js stands inside, nothing is fetched.",
            "monosemantic plot density activations/demo/features --out density.html") { kind, sources, feature, output, json };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(output), what = parsed.GetRequiredValue(kind);
            ChartPage.Write(path, $"{what}: {string.Join(", ", parsed.GetRequiredValue(sources).Select(NameOf))}", Chart(what, parsed.GetRequiredValue(sources), parsed.GetValue(feature)));
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(new { Plot = path, Bytes = new FileInfo(path).Length }));
            else Console.Out.WriteLine($"plot: {path} ({new FileInfo(path).Length / 1e6:F1} MB)");
        });
        return command;
    }

    private static GenericChart Chart(string kind, string[] sources, int? feature)
    {
        if (kind == "pareto") return Plots.Pareto(sources.Select(Point));
        if (sources.Length > 1) throw new UserErrorException($"{kind} draws one index, not {sources.Length}", "give one folder; only pareto takes several");
        if (kind == "heatmap" && feature is null) throw new UserErrorException("heatmap needs a feature", "add --feature N");
        FeatureIndex index = FeatureIndex.Open(sources[0]);
        return kind switch
        {
            "density" => Plots.DensityHistogram(index),
            "map" => Plots.FeatureMap(index),
            _ => Plots.ActivationHeatmap(index, feature!.Value),
        };
    }

    private static ParetoPoint Point(string source)
    {
        string metrics = File.Exists(source) ? source : Path.Combine(source, "metrics.json");
        EvaluationResult? result = File.Exists(metrics) ? JsonFile.Read<EvaluationResult>(metrics) : FeatureIndex.IsFinished(source) ? FeatureIndex.Open(source).Card.Evaluation : null;
        if (result is null) throw new UserErrorException($"{source} holds no numbers of an evaluation", "evaluate the dictionary with `monosemantic eval`, and scan with --metrics");
        return result.Fvu is { } fvu ? new(NameOf(source), result.L0, fvu) : throw new UserErrorException($"the FVU of {source} is undefined", "evaluate it on rows that vary");
    }

    private static string NameOf(string source) => File.Exists(source) ? NameOf(Path.GetDirectoryName(Path.GetFullPath(source))!) : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(source)));
}
