using System.CommandLine;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>scan</c>: the tokens and contexts that fire each feature, in one pass over a store.</summary>
internal static class ScanCommand
{
    internal static Command Create()
    {
        Option<string> sae = CommonOptions.Directory("--sae", "the autoencoder"), activations = CommonOptions.Directory("--activations", "the store to scan");
        Option<string> model = CommonOptions.Directory("--model", "the model, with its tokenizer"), output = CommonOptions.Out("where the feature index goes");
        var metrics = new Option<string?>("--metrics") { Description = "a metrics.json to keep with the evidence", HelpName = "FILE" };
        var without = new Option<bool>("--no-neurons") { Description = "leave the raw neurons out" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "scan",
            "Ranks the tokens and contexts that fire each feature (and each raw neuron) in one pass, and writes them as an index of Parquet files.",
            "monosemantic scan --sae activations/demo/sae --activations activations/demo/store --model activations/sample/dotnet-docs-lm --out activations/features") { sae, activations, model, output, metrics, without, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = new ScanConfig
            {
                Sae = parsed.GetRequiredValue(sae),
                Activations = parsed.GetRequiredValue(activations),
                Model = parsed.GetRequiredValue(model),
                Metrics = parsed.GetValue(metrics),
                Neurons = !parsed.GetValue(without),
            };
            bool quiet = parsed.GetValue(json);
            FeatureIndexCard card = Terminal.WithProgress(quiet, progress => ScanRun.Execute(config, parsed.GetRequiredValue(output), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(card));
            else Terminal.PrintTable("scanned", [("rows", $"{card.RowsScanned:N0}"), ("features", $"{card.DSae:N0}"), ("folder", parsed.GetRequiredValue(output))]);
            return Task.FromResult(0);
        });
        return command;
    }
}
