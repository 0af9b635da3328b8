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
        var ablated = new Option<int>("--ablate") { Description = "strongest contexts of each feature at which its effect on the next token's loss is measured; 0 for none", DefaultValueFactory = _ => 3, HelpName = "N" };
        var every = new Option<double>("--save-every") { Description = "seconds between two savings of the state that --resume goes on from", DefaultValueFactory = _ => 60, HelpName = "S" };
        Option<long> seed = CommonOptions.Seed();
        Option<bool> neurons = new("--neurons") { Description = "gather the same evidence for every raw neuron of the hook point" }, resume = CommonOptions.Resume(), json = CommonOptions.Json();
        ablated.AtLeast(0);
        every.Require(value => value >= 0 && value <= TimeSpan.MaxValue.TotalSeconds, "0 or more");
        var command = new ToolCommand(
            "scan",
            "Finds what fires each feature (and, with --neurons, each raw neuron) in one pass: tokens, contexts, neighbours, effects; and writes it as an index of Parquet files.",
            "monosemantic scan --sae activations/demo/sae --activations activations/demo/store --model activations/sample/dotnet-docs-lm --out activations/features") { sae, activations, model, output, metrics, neurons, ablated, seed, resume, every, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = new ScanConfig
            {
                Sae = parsed.GetRequiredValue(sae),
                Activations = parsed.GetRequiredValue(activations),
                Model = parsed.GetRequiredValue(model),
                Metrics = parsed.GetValue(metrics),
                Neurons = parsed.GetValue(neurons),
                AblatedContexts = parsed.GetValue(ablated),
                Seed = parsed.GetValue(seed),
            };
            bool quiet = parsed.GetValue(json);
            FeatureIndexCard card = Terminal.WithProgress(quiet, progress => ScanRun.Execute(config, parsed.GetRequiredValue(output), progress, parsed.GetValue(resume), TimeSpan.FromSeconds(parsed.GetValue(every)), cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(card));
            else Terminal.PrintTable("scanned", [("rows", $"{card.RowsScanned:N0}"), ("features", $"{card.DSae:N0}"), ("neurons", config.Neurons ? $"{card.DModel:N0}" : "not asked for (--neurons)"), ("folder", parsed.GetRequiredValue(output))]);
            return Task.FromResult(0);
        });
        return command;
    }
}
