using System.CommandLine;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>eval</c>: the numbers of a dictionary on what it was not trained on.</summary>
internal static class EvalCommand
{
    internal static Command Create()
    {
        Option<string> sae = CommonOptions.Directory("--sae", "the autoencoder"), activations = CommonOptions.Directory("--activations", "the store whose held-out rows are evaluated");
        var model = new Option<string?>("--model") { Description = "the model, for its loss with the autoencoder spliced in", HelpName = "DIR" };
        Option<string[]> text = CommonOptions.Text();
        Option<string> field = CommonOptions.TextField();
        var contexts = new Option<int>("--contexts") { Description = "held-out contexts to splice", DefaultValueFactory = _ => 200, HelpName = "N" };
        var output = new Option<string?>("--out") { Description = "where metrics.json goes (default: in the autoencoder's folder)", HelpName = "FILE" };
        var twin = new Option<string?>("--twin") { Description = "a second autoencoder, trained alike from another seed, to see which features come back", HelpName = "DIR" };
        var noBaselines = new Option<bool>("--no-baselines") { Description = "leave out the baselines (mean, neurons, PCA, random dictionary)" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "eval",
            "Measures an autoencoder on held-out activations, beside baselines, and the model's loss with it spliced in.",
            "monosemantic eval --sae activations/demo/sae --activations activations/demo/store --model activations/sample/dotnet-docs-lm") { sae, activations, model, text, field, contexts, twin, noBaselines, output, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = new EvaluationConfig
            {
                Sae = parsed.GetRequiredValue(sae),
                Activations = parsed.GetRequiredValue(activations),
                Model = parsed.GetValue(model),
                Text = parsed.GetValue(text)!,
                TextField = parsed.GetRequiredValue(field),
                Contexts = parsed.GetValue(contexts),
                Twin = parsed.GetValue(twin),
                Baselines = !parsed.GetValue(noBaselines),
            };
            bool quiet = parsed.GetValue(json);
            EvaluationOutcome outcome = Terminal.WithProgress(quiet, progress => EvaluationRun.Measure(config, progress, cancellation));
            string path = parsed.GetValue(output) ?? Path.Combine(File.Exists(config.Sae) ? Path.GetDirectoryName(Path.GetFullPath(config.Sae))! : config.Sae, "metrics.json"), other = outcome.Write(path);
            if (quiet) Console.Out.Write(JsonFile.ToText(outcome.Result));
            else Print(outcome.Result, path, other);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(EvaluationResult result, string path, string other)
    {
        foreach (string line in EvaluationTable.Numbers(result)) Console.Out.WriteLine(line);
        foreach ((bool? beaten, string line) in EvaluationTable.Baselines(result)) WriteLine(line, red: beaten == false);
        if (result.NoBaselines is { } reason) Console.Out.WriteLine($"no baselines: {reason}");
        Console.Out.WriteLine($"written: {path}, {other}");
    }

    // Red on a terminal that has colours; the words say it too.
    private static void WriteLine(string line, bool red)
    {
        bool colour = red && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";
        Console.Out.WriteLine(colour ? $"\u001b[31m{line}\u001b[0m" : line);
    }
}
