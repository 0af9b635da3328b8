using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli.Commands;

/// <summary><c>train</c>: a sparse autoencoder on an activation store.</summary>
internal static class TrainCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("run.json") { Description = "settings; any key left out keeps its default", Arity = ArgumentArity.ZeroOrOne };
        Option<string> activations = CommonOptions.Directory("--activations", "the activation store to train on"), output = CommonOptions.Out("where the autoencoder goes");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "train",
            "Trains a sparse autoencoder on an activation store, with checkpoints.",
            "monosemantic train --activations activations/demo/store --out activations/sae --set d_sae=4096 --set k=32") { file, activations, output, set, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = RunFile.Read<SaeTrainingConfig>(parsed.GetValue(file), parsed.GetValue(set) ?? []);
            config.Check(parsed.GetValue(file) ?? "the settings");
            bool quiet = parsed.GetValue(json);
            using ActivationStore store = ActivationStore.Open(parsed.GetRequiredValue(activations));
            using SparseAutoencoder sae = Terminal.WithProgress(quiet, progress =>
                SaeTrainer.Train(config, StoreInput.From(store, config), parsed.GetRequiredValue(output), parsed.GetValue(resume), TrainProgress.Of(progress, config), cancellation: cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(new { sae.Config, sae.Provenance }));
            else Terminal.PrintTable("trained", [("features", $"{sae.Config.DSae:N0}"), ("tokens", $"{sae.Provenance.Tokens:N0}"), ("folder", parsed.GetRequiredValue(output))]);
            return Task.FromResult(0);
        });
        return command;
    }
}
