using System.CommandLine;
using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>forward</c>: a model's inner values for given token ids, as one file that other tools can read.</summary>
internal static class ForwardCommand
{
    internal static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string> tokens = CommonOptions.NotEmpty(new("--tokens") { Description = "safetensors file with the token ids under input_ids [b, t]", Required = true, HelpName = "FILE" });
        var hooks = new Option<string[]>("--hooks") { Description = "hook points whose values are wanted, separated by commas", HelpName = "NAME,NAME", AllowMultipleArgumentsPerToken = true };
        var logits = new Option<bool>("--logits") { Description = "write the logits [b, t, vocabulary] too" };
        var batch = new Option<int>("--batch") { Description = "sequences that go through the model at a time", DefaultValueFactory = _ => 8, HelpName = "N" };
        batch.AtLeast(1);
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "the safetensors file to write: one tensor for each hook point, loss_per_token, logits", Required = true, HelpName = "FILE" });
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "forward",
            "Runs a model on token ids and writes the values at its hook points, its loss per token and its logits.",
            "monosemantic forward --model activations/sample/dotnet-docs-lm --tokens ids.safetensors --hooks blocks.0.hook_resid_pre,blocks.1.mlp.hook_post --logits --out out.safetensors") { model, tokens, hooks, logits, batch, output, json };
        command.SetAction((parsed, cancellation) =>
        {
            using Transformer loaded = Transformer.Load(parsed.GetRequiredValue(model));
            Terminal.PrintWarnings(loaded.Warnings);
            var config = new ForwardConfig
            {
                Tokens = parsed.GetRequiredValue(tokens),
                Hooks = [.. (parsed.GetValue(hooks) ?? []).SelectMany(names => names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
                Logits = parsed.GetValue(logits),
                Batch = parsed.GetValue(batch),
            };
            string to = parsed.GetRequiredValue(output);
            bool quiet = parsed.GetValue(json);
            ForwardSummary summary = Terminal.WithProgress(quiet, progress => ForwardRun.Execute(loaded, config, to, progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(summary));
            else Terminal.PrintTable($"{summary.Model}: {summary.Sequences:N0} sequences of {summary.Length:N0} tokens", Rows(summary, to));
            return Task.FromResult(0);
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Rows(ForwardSummary summary, string output) =>
    [
        ("mean loss", summary.MeanLoss is { } loss ? $"{loss:F4} nats per token" : "undefined: sequences of one token predict nothing"),
        .. summary.Shapes.Select(pair => (pair.Key, $"[{string.Join(", ", pair.Value)}]")),
        ("file", output),
    ];
}
