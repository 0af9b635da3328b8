using System.CommandLine;
using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>model</c>: what a model on disk is.</summary>
internal static class ModelCommand
{
    internal static Command Create() => new ToolCommand("model", "Looks at models.", "monosemantic model info activations/sample/dotnet-docs-lm") { Info() };

    private static ToolCommand Info()
    {
        var directory = new Argument<string>("DIR") { Description = "the model: a folder in the layout of Hugging Face, or a llama2.c file" };
        Option<bool> json = CommonOptions.Json();
        var info = new ToolCommand(
            "info", "Prints a model's family, sizes, parameters, hook points with their shapes, and the memory it needs.", "monosemantic model info activations/sample/dotnet-docs-lm") { directory, json };
        info.SetAction(parsed =>
        {
            using Transformer model = Transformer.Load(parsed.GetRequiredValue(directory));
            ModelInfo found = ModelInfo.Of(model);
            Terminal.PrintWarnings(found.Warnings);
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(found));
            else Print(found);
        });
        return info;
    }

    private static void Print(ModelInfo info)
    {
        TransformerConfig config = info.Config;
        Terminal.PrintTable(info.Name,
        [
            ("family", config.Family),
            ("parameters", $"{info.Parameters:N0}"),
            ("blocks", $"{config.Layers}"),
            ("d_model", $"{config.DModel}"),
            ("heads", config.KeyValueHeads == config.Heads ? $"{config.Heads} of {config.DHead}" : $"{config.Heads} of {config.DHead}, {config.KeyValueHeads} for keys and values"),
            ("neurons", $"{config.DMlp} in each block{(config.GatedMlp ? ", gated" : "")}"),
            ("vocabulary", $"{config.VocabularySize:N0}"),
            ("positions", $"{config.MaxPositions:N0}"),
            ("memory, weights", $"{info.Memory.Weights / 1e6:N1} MB"),
            ("memory, a pass", $"{info.Memory.ForwardPerToken / 1e3:N1} kB for each token of a batch, and the values that hooks keep"),
            ("memory, generating", $"{info.Memory.CachePerToken / 1e3:N1} kB for each token seen"),
            ("weights' SHA-256", info.Sha256),
        ]);
        Terminal.PrintTable("hook points", Grouped(info));
    }

    // One line for the same point of all blocks.
    private static IEnumerable<(string Label, string Value)> Grouped(ModelInfo info)
    {
        string blocks = info.Config.Layers == 1 ? "0" : $"0..{info.Config.Layers - 1}";
        return info.HookPoints
            .Where(point => !point.Name.StartsWith("blocks.", StringComparison.Ordinal) || point.Name.StartsWith("blocks.0.", StringComparison.Ordinal))
            .Select(point => (point.Name.Replace("blocks.0.", $"blocks.{blocks}.", StringComparison.Ordinal), point.Shape));
    }
}
