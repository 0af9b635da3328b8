using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>synth</c>: activations whose true features are known.</summary>
internal static class SynthCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("synth.json") { Description = "settings; any key left out keeps its default; not together with --preset", Arity = ArgumentArity.ZeroOrOne };
        var preset = new Option<string?>("--preset") { Description = $"ready-made settings: {string.Join(", ", SyntheticPreset.All.Select(known => known.Name))}", HelpName = "NAME" };
        var rows = new Option<long>("--rows") { Description = "rows to make", DefaultValueFactory = _ => 1_000_000, HelpName = "N" };
        var dtype = new Option<StoreDtype>("--dtype") { Description = "how numbers are stored", DefaultValueFactory = _ => StoreDtype.F16 };
        Option<string> output = CommonOptions.Out("where the store goes, with the truth inside");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "synth",
            "Makes activations of known features, to train on and to measure against the truth.",
            "monosemantic synth --preset independent --rows 200000 --out activations/synthetic") { file, preset, rows, dtype, output, set, json };
        command.SetAction((parsed, cancellation) =>
        {
            (string name, SyntheticConfig config) = Settings(parsed.GetValue(file), parsed.GetValue(preset), parsed.GetValue(set) ?? []);
            bool quiet = parsed.GetValue(json);
            string folder = parsed.GetRequiredValue(output);
            StoreManifest manifest = Terminal.WithProgress(quiet, progress => SyntheticStore.Write(name, config, parsed.GetValue(rows), folder, parsed.GetValue(dtype), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(new { manifest.Rows, manifest.HeldOutRows, Name = name, Config = config }));
            else Terminal.PrintTable("made", [("features", $"{config.NumFeatures:N0} in {config.HiddenDim:N0} dimensions"), ("rows", $"{manifest.Rows:N0}, of which {manifest.HeldOutRows:N0} are held out"), ("store", folder), ("truth", Path.Combine(folder, "truth"))]);
            return Task.FromResult(0);
        });
        return command;
    }

    private static (string Name, SyntheticConfig Config) Settings(string? file, string? preset, string[] overrides)
    {
        if (file is not null && preset is not null) throw new UserErrorException($"both {file} and --preset {preset} are given", "give one of them; --set overrides single keys of either");
        if (file is not null) return (Path.GetFileNameWithoutExtension(file), RunFile.Read<SyntheticConfig>(file, overrides));
        SyntheticPreset known = SyntheticPreset.Find(preset ?? "independent");
        return (known.Name, RunFile.Override(known.Config, overrides));
    }
}
