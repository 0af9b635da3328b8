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
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "eval",
            "Measures an autoencoder on held-out activations, and the model's loss with it spliced in.",
            "monosemantic eval --sae activations/demo/sae --activations activations/demo/store --model activations/sample/dotnet-docs-lm") { sae, activations, model, text, field, contexts, output, json };
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
            };
            bool quiet = parsed.GetValue(json);
            EvaluationResult result = Terminal.WithProgress(quiet, progress => EvaluationRun.Execute(config, progress, cancellation));
            JsonFile.Write(parsed.GetValue(output) ?? Path.Combine(config.Sae, "metrics.json"), result);
            if (quiet) Console.Out.Write(JsonFile.ToText(result));
            else Terminal.PrintTable($"held out: {result.Rows:N0} rows", EvaluationTable.Rows(result));
            return Task.FromResult(0);
        });
        return command;
    }
}
