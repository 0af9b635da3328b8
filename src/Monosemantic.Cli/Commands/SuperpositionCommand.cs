using System.CommandLine;
using Monosemantic.Metrics.Superposition;
using Monosemantic.Reports.Charts;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>superposition</c>: toy models of superposition, and the geometry of their features.</summary>
internal static class SuperpositionCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("toy.json") { Description = "settings; any key left out keeps its default: five features in two dimensions", Arity = ArgumentArity.ZeroOrOne };
        Option<string> output = CommonOptions.Out("where superposition.json and superposition.html go");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "superposition",
            "Trains toy models that squeeze sparse features through fewer dimensions, over a range of sparsities, and pictures how the features come to lie.",
            "monosemantic superposition --set features=20 --set dims=5 --set importance_decay=0.7 --out activations/superposition") { file, output, set, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = RunFile.Read<SuperpositionConfig>(parsed.GetValue(file), parsed.GetValue(set) ?? []);
            config.Check(parsed.GetValue(file) ?? "the settings");
            string folder = parsed.GetRequiredValue(output), path = Path.Combine(folder, "superposition.json"), picture = Path.Combine(folder, "superposition.html");
            bool quiet = parsed.GetValue(json);
            SuperpositionResult result = Terminal.WithProgress(quiet, progress => SuperpositionTrainer.Train(config, progress, cancellation));
            AtomicFile.MakeFolder(folder);
            JsonFile.Write(path, result);
            SuperpositionPage.Write(picture, result);
            if (quiet) Console.Out.Write(JsonFile.ToText(result));
            else Print(result, path, picture);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(SuperpositionResult result, string path, string picture)
    {
        Terminal.PrintTable($"{result.Config.Features} features in {result.Config.Dims} dimensions", result.Instances.Select(instance => (
            $"density {instance.Density:0.####}",
            $"{instance.Represented} represented, {(instance.DimensionsPerFeature is { } each ? $"{each:F3}" : "undefined (W is 0)")} dimensions per feature, loss {instance.Loss:0.######}; dimensionality {string.Join(" ", instance.Dimensionality.Take(8).Select(value => $"{value:F2}"))}{(instance.Dimensionality.Length > 8 ? " ..." : "")}")));
        Console.Out.WriteLine($"written: {path}, {picture}");
    }
}
