using System.CommandLine;
using Monosemantic.Metrics.Scaling;
using Monosemantic.Reports.Charts;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli.Commands;

/// <summary><c>sweep</c>: dictionaries of several widths and token budgets, and the power law of their losses.</summary>
internal static class SweepCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("run.json") { Description = "settings of every run, as for train; width, tokens and seed are overridden", Arity = ArgumentArity.ZeroOrOne };
        Option<string> activations = CommonOptions.Directory("--activations", "the activation store to train on"), output = CommonOptions.Out("where the dictionaries, the numbers and the picture go");
        var widths = new Option<string>("--widths") { Description = "numbers of features, separated by commas", DefaultValueFactory = _ => "256,512,1024,2048", HelpName = "A,B,..." };
        var tokens = new Option<string>("--tokens") { Description = "token budgets, separated by commas", DefaultValueFactory = _ => "500000,1000000,2000000", HelpName = "A,B,..." };
        var seeds = new Option<string>("--seeds") { Description = "seeds, separated by commas; with two or more the share of features found in both is reported", DefaultValueFactory = _ => "0", HelpName = "A,B,..." };
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "sweep",
            "Trains a dictionary for every width and token budget, measures each on held-out activations, and fits the power law of the loss against width and compute.",
            "monosemantic sweep --activations activations/demo/store --widths 256,512,1024 --tokens 200000,800000 --set k=16 --out activations/sweep") { file, activations, widths, tokens, seeds, output, set, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = RunFile.Read<SaeTrainingConfig>(parsed.GetValue(file), parsed.GetValue(set) ?? []);
            if (config.Steps is not null) throw new UserErrorException($"steps is {config.Steps}; in a sweep the token budgets decide how long each run is", "leave steps out, and give budgets with --tokens");
            long[] Numbers(Option<string> option, long least) => NumberList.Parse(option.Name, parsed.GetRequiredValue(option), least);
            var settings = new SweepSettings(parsed.GetRequiredValue(activations), config, Numbers(widths, 1), Numbers(tokens, 1), Numbers(seeds, 0));
            string folder = parsed.GetRequiredValue(output), picture = Path.Combine(folder, SweepRun.PictureName);
            bool quiet = parsed.GetValue(json);
            ScalingResult result = Terminal.WithProgress(quiet, progress => new SweepRun(folder, settings).Execute(parsed.GetValue(resume), progress, cancellation));
            ScalingPage.Write(picture, result);
            if (quiet) Console.Out.Write(JsonFile.ToText(result));
            else Print(result, Path.Combine(folder, SweepRun.ResultName), picture);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(ScalingResult result, string path, string picture)
    {
        Terminal.PrintTable("runs: fraction of variance unexplained on held-out rows", result.Points.Select(point => (
            $"{point.DSae:N0} features, {point.Tokens:N0} tokens, seed {point.Seed}",
            $"{EvaluationTable.Value(point.Loss)}, L0 {point.L0:F1}{(point.StabilityShared is { } shared ? $", shared with the next seed {shared:P0}" : "")}")));
        Terminal.PrintTable("power laws", result.Fits.Select(fit => (fit.Formula, Value(fit))));
        Console.Out.WriteLine($"written: {path}, {picture}");
    }

    private static string Value(PowerLawFit fit) => fit.Undefined is { } reason
        ? $"undefined ({reason})"
        : $"{string.Join(", ", fit.Exponents.Select(pair => $"{pair.Key} {pair.Value.Value:F4}{(pair.Value.Low is { } low && pair.Value.High is { } high ? $" [{low:F4}, {high:F4}]" : " (no interval: as many numbers as runs)")}"))}; {fit.Runs} runs{(fit.R2 is { } r2 ? $", R2 {r2:F3}" : "")}";
}
