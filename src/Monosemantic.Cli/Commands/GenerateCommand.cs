using System.CommandLine;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Cli.Commands;

/// <summary><c>generate</c>: a model's continuation of a text.</summary>
internal static class GenerateCommand
{
    internal static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string?> tokenizer = new("--tokenizer") { Description = "its tokenizer: a folder or a file [default: the one beside the model's weights]", HelpName = "PATH" };
        var prompt = new Option<string>("--prompt") { Description = "text to continue; empty for a new document", DefaultValueFactory = _ => "", HelpName = "TEXT" };
        var count = new Option<int>("--tokens") { Description = "most tokens to add; fewer where the model ends the text", DefaultValueFactory = _ => 200, HelpName = "N" };
        var temperature = new Option<double>("--temperature") { Description = "divides the logits; 0 takes the likeliest token each time", DefaultValueFactory = _ => 0.8, HelpName = "T" };
        var topP = new Option<double>("--top-p") { Description = "choose only among the likeliest tokens that together have this probability", DefaultValueFactory = _ => 1, HelpName = "P" };
        Option<long> seed = CommonOptions.Seed();
        Option<bool> json = CommonOptions.Json();
        count.AtLeast(1);
        temperature.Require(value => value >= 0 && double.IsFinite(value), "0 or more");
        topP.Require(value => value is > 0 and <= 1, "above 0 and at most 1");
        var command = new ToolCommand(
            "generate",
            "Continues a text with a model, token by token.",
            "monosemantic generate --model activations/sample/dotnet-docs-lm --prompt Gets --tokens 50 --temperature 0.7 --top-p 0.95 --seed 1") { model, tokenizer, prompt, count, temperature, topP, seed, json };
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetRequiredValue(model);
            using Transformer loaded = Transformer.Load(path);
            Terminal.PrintWarnings(loaded.Warnings);
            Tokenizer its = parsed.GetValue(tokenizer) is { } own ? Tokenizer.Load(own) : Tokenizer.OfModel(path);
            var options = new SamplingOptions(parsed.GetValue(temperature), parsed.GetValue(topP));
            Generation result = TextGeneration.Run(loaded, its, parsed.GetValue(prompt)!, parsed.GetValue(count), options, parsed.GetValue(seed), parsed.GetValue(json) ? null : Console.Out.Write, cancellation);
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(result));
            else Console.Out.WriteLine();
            return Task.FromResult(0);
        });
        return command;
    }
}
