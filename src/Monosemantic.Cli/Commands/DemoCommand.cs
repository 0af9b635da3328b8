using System.CommandLine;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>demo</c>: the whole job on what ships with the tool, from text to report.</summary>
internal static class DemoCommand
{
    internal static Command Create()
    {
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "the folder for everything that is made", DefaultValueFactory = _ => Path.Combine("activations", "demo"), HelpName = "DIR" });
        Option<long> seed = CommonOptions.Seed();
        var scratch = new Option<bool>("--from-scratch") { Description = "train a smaller language model first, instead of using the one that ships" };
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "demo",
            "Does the whole job: loads a small trained transformer, stores its activations on real text, trains a sparse autoencoder, measures it, "
            + "finds the tokens and contexts that fire each feature, and writes one HTML report. Takes a few minutes.",
            "monosemantic demo --out activations/demo") { output, seed, scratch, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            var demo = new DemoRun(parsed.GetRequiredValue(output), new DemoSettings { Seed = parsed.GetValue(seed), FromScratch = parsed.GetValue(scratch) });
            bool quiet = parsed.GetValue(json);
            DemoResult result = Terminal.WithProgress(quiet, progress => demo.Execute(parsed.GetValue(resume), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(result));
            else Print(result);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(DemoResult result)
    {
        Terminal.PrintTable($"held out: {result.Evaluation.Rows:N0} rows", EvaluationTable.Rows(result.Evaluation));
        Terminal.PrintTable("time", result.Seconds.Select(stage => (stage.Key, $"{stage.Value:F1} s")).Append(("total", $"{result.Seconds.Values.Sum():F1} s")));
        Terminal.PrintTable("made", [("peak memory", $"{result.PeakMemoryBytes / 1e6:N0} MB"), ("report", result.Report)]);
    }
}
