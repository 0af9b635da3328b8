using System.CommandLine;
using Monosemantic.Metrics;
using Monosemantic.Reports.Charts;
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
        var ablate = new Option<AblatedPositions>("--ablate") { Description = "which positions zero and mean ablation replace: all of them, as SAELens does, or those of the text alone, so that beginning-of-sequence tokens keep their activation", DefaultValueFactory = _ => AblatedPositions.Every, HelpName = "every|text" };
        var output = new Option<string?>("--out") { Description = "where metrics.json goes (default: in the autoencoder's folder)", HelpName = "FILE" };
        var twin = new Option<string?>("--twin") { Description = "a second autoencoder, trained alike from another seed, to see which features come back", HelpName = "DIR" };
        var noBaselines = new Option<bool>("--no-baselines") { Description = "leave out the baselines (mean, neurons, PCA, random dictionary)" };
        var interpret = new Option<bool>("--interpret") { Description = "measure how far features mean one thing each, without a judge: sparse probes, spelling and absorption, scores of single features beside neurons and random directions; needs --model and --text" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "eval",
            "Measures an autoencoder on held-out activations, beside baselines, and the model's loss with it spliced in.",
            "monosemantic eval --sae activations/demo/sae --activations activations/demo/store --model activations/sample/dotnet-docs-lm") { sae, activations, model, text, field, contexts, ablate, twin, noBaselines, interpret, output, json };
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
                Ablate = parsed.GetValue(ablate),
                Twin = parsed.GetValue(twin),
                Baselines = !parsed.GetValue(noBaselines),
                Interpret = parsed.GetValue(interpret),
            };
            bool quiet = parsed.GetValue(json);
            EvaluationOutcome outcome = Terminal.WithProgress(quiet, progress => EvaluationRun.Measure(config, progress, cancellation));
            string path = parsed.GetValue(output) ?? Path.Combine(File.Exists(config.Sae) ? Path.GetDirectoryName(Path.GetFullPath(config.Sae))! : config.Sae, "metrics.json"), other = outcome.Write(path);
            string? picture = Picture(outcome.Result, path);
            if (quiet) Console.Out.Write(JsonFile.ToText(outcome.Result));
            else Print(outcome.Result, picture is null ? [path, other] : [path, other, picture]);
            return Task.FromResult(0);
        });
        return command;
    }

    private static string? Picture(EvaluationResult result, string metrics)
    {
        if (result.Interpretability is not { } measured) return null;
        string path = Path.ChangeExtension(metrics, null) + ".interpretability.html";
        InterpretabilityPage.Write(path, measured, $"Dictionary {result.Origin?.DictionarySha256[..12]}");
        return path;
    }

    private static void Print(EvaluationResult result, IEnumerable<string> written)
    {
        foreach (string line in EvaluationTable.Numbers(result)) Console.Out.WriteLine(line);
        foreach ((bool? beaten, string line) in EvaluationTable.Baselines(result)) WriteLine(line, red: beaten == false);
        if (result.NoBaselines is { } reason) Console.Out.WriteLine($"no baselines: {reason}");
        if (result.Interpretability is { } measured) foreach (string line in InterpretabilityTable.Lines(measured)) Console.Out.WriteLine(line);
        Console.Out.WriteLine($"written: {string.Join(", ", written)}");
    }

    // Red on a terminal that has colours; the words say it too.
    private static void WriteLine(string line, bool red)
    {
        bool colour = red && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";
        Console.Out.WriteLine(colour ? $"\u001b[31m{line}\u001b[0m" : line);
    }
}
