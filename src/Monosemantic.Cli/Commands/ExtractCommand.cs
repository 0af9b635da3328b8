using System.Collections.Immutable;
using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Cli.Commands;

/// <summary><c>extract</c>: activations of a model on text, into a store.</summary>
internal static class ExtractCommand
{
    internal static Command Create()
    {
        Option<string> model = CommonOptions.Directory("--model", "the model, with its tokenizer"), output = CommonOptions.Out("where the store goes");
        Option<string[]> text = CommonOptions.Text();
        Option<string> field = CommonOptions.TextField();
        var hooks = new Option<string>("--hooks") { Description = "hook points, separated by commas", Required = true, HelpName = "A,B,..." };
        var context = new Option<int>("--context") { Description = "tokens per context", DefaultValueFactory = _ => 128, HelpName = "N" };
        var rows = new Option<long>("--rows") { Description = "rows to store, 0 for all", DefaultValueFactory = _ => 0, HelpName = "N" };
        var dtype = new Option<StoreDtype>("--dtype") { Description = "how numbers are stored", DefaultValueFactory = _ => StoreDtype.F16 };
        dtype.AcceptOnlyFromAmong("f32", "f16");
        var bos = new Option<BosPolicy>("--bos") { Description = "where a beginning-of-sequence token is put", DefaultValueFactory = _ => BosPolicy.Always };
        bos.AcceptOnlyFromAmong("always", "never", "document");
        var single = new Option<bool>("--one-document-per-context") { Description = "do not pack documents into contexts" };
        Option<long> seed = CommonOptions.Seed();
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "extract",
            "Runs a model over text and stores the activations of one or more hook points, with the document, position and token of every row.",
            "monosemantic extract --model activations/sample/dotnet-docs-lm --text dotnet-docs --hooks blocks.2.hook_resid_post --rows 500000 --out activations/store")
        { model, text, field, hooks, output, context, rows, dtype, bos, single, seed, set, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            var config = new ExtractionConfig
            {
                Model = parsed.GetRequiredValue(model),
                Text = [.. parsed.GetRequiredValue(text)],
                TextField = parsed.GetRequiredValue(field),
                Hooks = [.. parsed.GetRequiredValue(hooks).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)],
                Context = parsed.GetValue(context),
                Rows = parsed.GetValue(rows),
                Dtype = parsed.GetValue(dtype),
                Bos = parsed.GetValue(bos),
                Pack = !parsed.GetValue(single),
                Seed = parsed.GetValue(seed),
            };
            config = RunFile.Override(config, parsed.GetValue(set) ?? []);
            bool quiet = parsed.GetValue(json);
            ImmutableArray<StoreManifest> stores = Terminal.WithProgress(quiet, progress =>
                ActivationExtractor.Extract(config, parsed.GetRequiredValue(output), parsed.GetValue(resume), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(stores));
            else Terminal.PrintTable("stored", stores.Select(store => (store.Plan.HookPoint, $"{store.Rows:N0} rows x {store.Plan.DModel}, {store.Shards.Length} shards, mean norm {store.Statistics.MeanNorm:F3}")));
            return Task.FromResult(0);
        });
        return command;
    }
}
