using System.CommandLine;
using System.Text.Json.Nodes;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli.Commands;

/// <summary><c>train</c>: sparse autoencoders, transcoders and crosscoders on activations, one or many in a pass.</summary>
internal static class TrainCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("run.json")
        {
            Description = "settings; any key left out keeps its default; \"preset\" takes over another tool's defaults; an array \"runs\" of settings trains many in one pass",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var sources = new TrainingSources();
        Option<string> output = CommonOptions.Out("where the autoencoder goes, or a folder for each of many");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var board = new Option<string?>("--tensorboard") { Description = "also write TensorBoard event files to this folder", HelpName = "DIR" };
        var command = new ToolCommand(
            "train",
            "Trains sparse autoencoders on activations, with checkpoints. `list architectures` says which kinds there are; --set preset=saelens (dictionary_learning, sparsify, openai, anthropic_2023, anthropic_2024) starts from another tool's defaults.",
            "monosemantic train --activations activations/demo/store --out activations/sae --set architecture=batch_topk --set d_sae=4096 --set k=32") { file, output, set, resume, board, json };
        foreach (Option option in sources.All) command.Add(option);
        command.SetAction((parsed, cancellation) =>
        {
            string? path = parsed.GetValue(file);
            JsonObject settings = RunFile.ReadObject(path);
            bool quiet = parsed.GetValue(json);
            string folder = parsed.GetRequiredValue(output), source = path ?? "the settings";
            // Settings first: what is wrong with them needs no activations to be said.
            SaeGroupRun[]? runs = settings["runs"] is JsonArray ? ManyRuns.Parse(settings, source, parsed.GetValue(set) ?? [], folder) : null;
            SaeTrainingConfig? config = runs is null ? OneConfig(settings, source, parsed.GetValue(set) ?? []) : null;
            using OpenSources open = sources.Open(parsed, quiet, cancellation);
            if (runs is not null) ManyRuns.Train(runs, open, folder, parsed.GetValue(resume), quiet, cancellation);
            else One(config!, open, folder, parsed.GetValue(resume), parsed.GetValue(board), quiet, cancellation);
            return Task.FromResult(0);
        });
        return command;
    }

    private static SaeTrainingConfig OneConfig(JsonObject settings, string source, string[] overrides)
    {
        RunFile.Apply(settings, overrides);
        var config = RunFile.Parse<SaeTrainingConfig>(settings, source);
        config.Check(source);
        return config;
    }

    private static void One(SaeTrainingConfig config, OpenSources sources, string folder, bool resume, string? board, bool quiet, CancellationToken cancellation)
    {
        TensorBoardLog? events = board is null ? null : new TensorBoardLog(board);
        using SparseAutoencoder sae = Terminal.WithProgress(quiet, progress =>
            SaeTrainer.Train(config, sources.Input(config), folder, resume, TrainProgress.Of(progress, config, events), cancellation: cancellation));
        if (quiet) Console.Out.Write(JsonFile.ToText(new { sae.Config, sae.Provenance }));
        else Terminal.PrintTable("trained", [("architecture", sae.Config.Architecture), ("features", $"{sae.Config.DSae:N0}"), ("tokens", $"{sae.Provenance.Tokens:N0}"), ("folder", folder)]);
    }
}
