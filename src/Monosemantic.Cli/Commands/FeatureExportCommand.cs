using System.CommandLine;
using Monosemantic.Features.Exports;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>features export</c>: the features of an index as another tool's files.</summary>
internal static class FeatureExportCommand
{
    internal static Command Create()
    {
        var defaults = new FeatureExportOptions();
        var index = new Argument<string>("DIR") { Description = "the feature index that scan wrote" };
        var to = new Option<string>("--to") { Description = $"the tool: {string.Join(", ", FeatureExport.All.Select(export => export.Name))}", Required = true, HelpName = "NAME" };
        Option<string> output = CommonOptions.Out("where the files go; new or empty");
        var sae = new Option<string?>("--sae") { Description = "the autoencoder that was scanned, to add its decoder vectors", HelpName = "DIR" };
        var model = new Option<string?>("--model-id") { Description = "id of the model there; else its name in the index", HelpName = "ID" };
        var set = new Option<string?>("--source-set") { Description = "name of the set of dictionaries, such as res-jb", HelpName = "NAME" };
        var release = new Option<string?>("--release") { Description = "name of the release; else that of the set", HelpName = "NAME" };
        var creator = new Option<string>("--creator") { Description = "who made the dictionary", DefaultValueFactory = _ => defaults.Creator, HelpName = "NAME" };
        var creatorId = new Option<string>("--creator-id") { Description = "account that the rows belong to", DefaultValueFactory = _ => defaults.CreatorId, HelpName = "ID" };
        var date = new Option<string>("--date") { Description = "time that the rows carry", DefaultValueFactory = _ => defaults.Date, HelpName = "ISO" };
        var density = new Option<double>("--min-density") { Description = "leave out features that fire at a smaller share of positions", DefaultValueFactory = _ => defaults.MinDensity, HelpName = "SHARE" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("export", "Writes the features of an index as another tool's files.", "monosemantic features export --to neuronpedia activations/demo/features --out export") { index, to, output, sae, model, set, release, creator, creatorId, date, density, json };
        command.SetAction(parsed =>
        {
            var options = new FeatureExportOptions
            {
                Sae = parsed.GetValue(sae),
                ModelId = parsed.GetValue(model),
                SourceSet = parsed.GetValue(set),
                Release = parsed.GetValue(release),
                Creator = parsed.GetRequiredValue(creator),
                CreatorId = parsed.GetRequiredValue(creatorId),
                Date = parsed.GetRequiredValue(date),
                MinDensity = parsed.GetRequiredValue(density),
            };
            FeatureExportResult result = FeatureExport.Run(parsed.GetRequiredValue(index), parsed.GetRequiredValue(to), parsed.GetRequiredValue(output), options);
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(result));
            else Terminal.PrintTable($"exported to {result.Export}", [("model", result.ModelId), ("source", result.SourceId), ("features", $"{result.Features:N0} ({result.Skipped:N0} fire too rarely)"), ("contexts", $"{result.Activations:N0}"), ("files", $"{result.Files.Length:N0}"), ("folder", result.Folder)]);
            return 0;
        });
        return command;
    }
}
