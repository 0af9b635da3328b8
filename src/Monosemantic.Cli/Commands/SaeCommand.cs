using System.CommandLine;
using System.Globalization;
using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>sae</c>: what a sparse autoencoder on disk is, its activations, other formats, and proof that it computes what it did.</summary>
internal static class SaeCommand
{
    private const string Example = "activations/demo/sae";

    internal static Command Create() =>
        new ToolCommand("sae", "Looks at sparse autoencoders of any format, encodes with them, converts and verifies them.", $"monosemantic sae info {Example}") { Info(), Encode(), Convert(), Verify() };

    private static Argument<string> SaePath() => new("PATH") { Description = "the autoencoder: a folder or file of any format in `list formats`" };

    private static Option<string?> Format() => new("--format") { Description = "its format, where the files alone do not tell", HelpName = "NAME" };

    private static ToolCommand Info()
    {
        Argument<string> path = SaePath();
        Option<string?> format = Format();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("info", "Says what a sparse autoencoder computes, where it belongs, and what is missing to use it.", $"monosemantic sae info {Example}") { path, format, json };
        command.SetAction(parsed =>
        {
            using SaeImport found = SaeFormat.Load(parsed.GetRequiredValue(path), parsed.GetValue(format));
            SaeInfo info = SaeInfo.Of(found);
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(info));
            else Print(parsed.GetRequiredValue(path), info);
            return 0;
        });
        return command;
    }

    private static void Print(string path, SaeInfo info)
    {
        SaeConfig config = info.Config;
        string unknown = "not known";
        // What files say may hold anything, so it is shown as a cell is.
        Terminal.PrintTable(path, new (string Label, string Value)[]
        {
            ("format", info.Format),
            ("architecture", config.K > 0 ? $"{config.Architecture}, k {config.K}" : config.Architecture),
            ("sizes", config.Outputs == config.DModel ? $"{config.DModel} wide, {config.DSae:N0} features" : $"{config.DModel} wide, {config.DSae:N0} features, outputs {config.Outputs} wide"),
            ("model", info.Model ?? unknown),
            ("hook point", config.HookPoint.Length > 0 ? config.HookPoint + (config.HookPointOut is { } predicted ? $" -> {predicted}" : "") : unknown),
            ("training data", info.Dataset ?? unknown),
            ("context", info.ContextSize is { } context ? $"{context} tokens{(info.PrependBos is { } bos ? bos ? ", BOS first" : ", no BOS" : "")}" : unknown),
            ("inputs", config.InputNormalisation == InputNormalisation.None ? "raw activations" : $"raw activations, normalised inside ({config.InputNormalisation})"),
            ("stored as", info.Dtype ?? unknown),
            ("licence", info.Licence ?? unknown),
            ("features that fire", info.Alive is { } alive ? $"{alive:N0}" : unknown),
        }.Concat(info.Notes.Select(note => ("note", note))).Concat(info.Missing.Select(missing => ("missing", missing))).Select(row => (row.Item1, ResultPrinter.Cell(row.Item2))));
    }

    private static ToolCommand Encode()
    {
        Option<string> sae = CommonOptions.Directory("--sae", "the autoencoder: a folder or file of any format");
        Option<string> input = CommonOptions.NotEmpty(new("--input") { Description = "safetensors file with the activations under x [n, d]", Required = true, HelpName = "FILE" });
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "the safetensors file to write: feature_acts, reconstruction", Required = true, HelpName = "FILE" });
        var sparse = new Option<bool>("--sparse") { Description = "write a compressed code too: row_offsets, features, values" };
        var only = new Option<bool>("--sparse-only") { Description = "write the compressed code in place of feature_acts" };
        Option<string?> format = Format();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("encode", "Writes the feature activations and reconstructions of given activations.", $"monosemantic sae encode --sae {Example} --input x.safetensors --out y.safetensors") { sae, input, output, sparse, only, format, json };
        command.SetAction(parsed =>
        {
            using SaeImport loaded = SaeFormat.Load(parsed.GetRequiredValue(sae), parsed.GetValue(format));
            EncodedForm form = parsed.GetValue(only) ? EncodedForm.Sparse : parsed.GetValue(sparse) ? EncodedForm.DenseAndSparse : EncodedForm.Dense;
            SaeEncodeSummary summary = SaeEncodeRun.Execute(loaded.Sae, parsed.GetRequiredValue(input), parsed.GetRequiredValue(output), form);
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(summary));
            else Terminal.PrintTable("encoded", Rows(summary, parsed.GetRequiredValue(output)));
            return 0;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Rows(SaeEncodeSummary summary, string output) =>
    [
        ("tokens", $"{summary.Rows:N0}"),
        ("features per token", summary.L0.ToString("F2", CultureInfo.InvariantCulture)),
        ("FVU", summary.Fvu?.ToString("F4", CultureInfo.InvariantCulture) ?? "undefined"),
        .. summary.Shapes.Select(pair => (pair.Key, $"[{string.Join(", ", pair.Value)}]")),
        ("file", output),
    ];

    private static ToolCommand Convert()
    {
        Argument<string?> path = new("PATH") { Description = "the autoencoder: a folder or file of any format in `list formats`", Arity = ArgumentArity.ZeroOrOne };
        var from = new Option<string?>("--from") { Description = "the same, as an option", HelpName = "PATH" };
        Option<string?> format = Format();
        var to = new Option<string>("--to") { Description = $"the format to write: {string.Join(", ", SaeFormat.All.Where(known => known.Writes).Select(known => known.Name))}", Required = true, HelpName = "NAME" };
        Option<string> output = CommonOptions.Out("where the files go; new or empty");
        var lossy = new Option<bool>("--lossy") { Description = "write files that compute something else where the format cannot hold it all" };
        var dtype = new Option<string?>("--dtype") { Description = "element type to write: f32, f16 or bf16; else the source's in its own format, and f32 elsewhere", HelpName = "NAME" };
        var training = new Option<bool>("--training") { Description = "of saelens: write a training checkpoint, to go on training there" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("convert", "Writes a sparse autoencoder in another format, reads it back and prints the largest difference.", $"monosemantic sae convert --from {Example} --to saelens --out converted") { path, from, format, to, output, dtype, training, lossy, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(path) is null == result.GetValue(from) is null) result.AddError("Give the autoencoder once: as PATH or with --from PATH.");
        });
        command.SetAction(parsed =>
        {
            SaeConversionResult result = SaeConversion.Run(parsed.GetValue(path) ?? parsed.GetRequiredValue(from)!, parsed.GetValue(format), parsed.GetRequiredValue(to), parsed.GetRequiredValue(output), parsed.GetValue(lossy), parsed.GetValue(dtype), parsed.GetValue(training));
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(result));
            else Terminal.PrintTable($"{result.From} -> {result.To}", Rows(result));
            return 0;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Rows(SaeConversionResult result) =>
    [
        ("dtype", result.Dtype),
        ("maximum error, feature_acts", $"{result.FeatureActsError:E1} of the largest value"),
        ("maximum error, reconstruction", $"{result.ReconstructionError:E1} of the largest value"),
        .. result.Notes.Select(note => ("note", note)),
        ("files", string.Join(", ", result.Files)),
        ("folder", result.Folder),
    ];

    private static ToolCommand Verify()
    {
        Argument<string> path = SaePath();
        Option<string?> format = Format();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("verify", "Encodes the probe vectors that an autoencoder carries again, and compares.", $"monosemantic sae verify {Example}") { path, format, json };
        command.SetAction(parsed =>
        {
            string folder = parsed.GetRequiredValue(path);
            SaeVerification verification = SaeVerification.Of(folder, parsed.GetValue(format));
            string found = $"feature activations differ by up to {verification.Difference.FeatureActs:E1} and outputs by up to {verification.Difference.Reconstruction:E1} of the largest recorded value";
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(verification));
            else if (verification.Passed) Console.Out.WriteLine($"{folder} computes what was recorded: {found}");
            else throw new UserErrorException($"{folder} does not compute what was recorded: {found}; {verification.Tolerance:E0} is allowed", "its weights or config were changed after the probes were made; copy the whole folder again");
            return verification.Passed ? 0 : 1;
        });
        return command;
    }
}
