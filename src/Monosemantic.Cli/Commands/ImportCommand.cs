using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>import</c>: what other tools made, in the form of this one.</summary>
internal static class ImportCommand
{
    internal static Command Create() =>
        new ToolCommand("import", "Takes over what other tools made.", "monosemantic import activations acts.safetensors --model gpt2 --hook blocks.5.hook_resid_post --out activations/imported") { Activations() };

    private static ToolCommand Activations()
    {
        var options = new ImportOptions();
        Option<string> output = CommonOptions.Out("where the store goes");
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "activations",
            "Makes an activation store of activations from any model: safetensors, .npy, .npz, PyTorch or Parquet files of rows, with or without token ids.",
            "monosemantic import activations acts.npy --token-ids tokens.npy --model gpt2 --hook blocks.5.hook_resid_post --out activations/imported")
        { options.Files, output, resume, json };
        foreach (Option option in options.All) command.Options.Add(option);
        command.SetAction((parsed, cancellation) =>
        {
            bool quiet = parsed.GetValue(json);
            ImportConfig config = options.Read(parsed);
            StoreManifest manifest = Terminal.WithProgress(quiet, progress =>
                ActivationImport.Import(config, parsed.GetRequiredValue(output), parsed.GetValue(resume), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(manifest));
            else Print(parsed.GetRequiredValue(output));
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(string folder)
    {
        using ActivationStore store = ActivationStore.Open(folder);
        Terminal.PrintTable(store.ToString(), StoreTable.Rows(store).Append(("folder", folder)));
    }
}
