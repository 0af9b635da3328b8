using System.CommandLine;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli.Commands;

/// <summary><c>lm train</c>: a small language model and its tokenizer from text.</summary>
internal static class LanguageModelCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("run.json") { Description = "settings; any key left out keeps its default", Arity = ArgumentArity.ZeroOrOne };
        var output = CommonOptions.Out("the model folder to make");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var train = new ToolCommand(
            "train",
            "Trains a byte-level BPE tokenizer and a small GPT-2-style model on text, with checkpoints.",
            "monosemantic lm train --out activations/my-model --set text=[\"stories.txt\"] --set steps=500") { file, output, set, resume, json };
        train.SetAction((parsed, cancellation) =>
        {
            var config = RunFile.Read<LanguageModelConfig>(parsed.GetValue(file), parsed.GetValue(set) ?? []);
            string command = string.Join(" ", ["monosemantic lm train --out DIR", .. RunFile.Options(config)]);
            bool quiet = parsed.GetValue(json);
            LanguageModelReport report = Terminal.WithProgress(quiet, progress =>
                new LanguageModelRun(config, parsed.GetRequiredValue(output), progress).Execute(parsed.GetValue(resume), command, cancellation));
            Print(report, quiet);
            return Task.FromResult(0);
        });
        return new ToolCommand("lm", "Small language models of your own.", "monosemantic lm train --help") { train };
    }

    private static void Print(LanguageModelReport report, bool json)
    {
        if (json)
        {
            Console.Out.Write(JsonFile.ToText(report));
            return;
        }
        string Line(LanguageModelScore score) => $"{score.NatsPerToken:F3} nats/token, {score.BitsPerByte:F3} bits/byte";
        Terminal.PrintTable("held-out cross-entropy", [("model", Line(report.Model)), ("bigram counts", Line(report.Bigram)), ("unigram counts", Line(report.Unigram))]);
    }
}
