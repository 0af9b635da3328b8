using System.Collections.Immutable;
using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>extract</c>: activations of a model on text, into a store.</summary>
internal static class ExtractCommand
{
    internal static Command Create()
    {
        var options = new ExtractionOptions();
        Option<string> output = CommonOptions.Out("where the store goes (required but for --plan)");
        output.Required = false;
        var plan = new Option<bool>("--plan") { Description = "say what it would take, after a short calibration, and store nothing" };
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "extract",
            "Runs a model over text and stores the activations of one or more hook points, with the document, position and token of every row.",
            "monosemantic extract --model activations/sample/dotnet-docs-lm --text dotnet-docs --hooks blocks.2.hook_resid_post --rows 500000 --out activations/store")
        { output, plan, resume, json };
        foreach (Option option in options.All) command.Options.Add(option);
        command.SetAction((parsed, cancellation) =>
        {
            bool quiet = parsed.GetValue(json);
            // A plan stores nothing: it asks how much room there is where the command runs.
            string folder = parsed.GetValue(output) ?? (parsed.GetValue(plan) ? "." : throw new UserErrorException("option --out is required", "say with --out DIR where the store goes, or with --plan ask what it would take"));
            ExtractionConfig config = options.Read(parsed);
            using Extraction extraction = Terminal.WithProgress(quiet, progress => Extraction.Open(config, progress, cancellation));
            if (parsed.GetValue(plan)) PrintPlan(extraction.Plan(folder), quiet);
            else Run(extraction, folder, parsed.GetValue(resume), quiet, cancellation);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Run(Extraction extraction, string folder, bool resume, bool quiet, CancellationToken cancellation)
    {
        if (!quiet) PrintPlan(extraction.Plan(folder), quiet);
        ImmutableArray<StoreManifest> stores = Terminal.WithProgress(quiet, progress => extraction.Run(folder, resume, progress, cancellation));
        if (quiet) Console.Out.Write(JsonFile.ToText(stores));
        else Terminal.PrintTable("stored", [.. stores.Select(store => (store.Plan.HookPoint, Describe(store))), ("peak memory", StoreTable.Size(ProcessMemory.Peak))]);
    }

    private static void PrintPlan(ExtractionPlan plan, bool json)
    {
        if (json)
        {
            Console.Out.Write(JsonFile.ToText(plan));
            return;
        }
        string free = plan.BytesFree is { } bytes ? $" ({StoreTable.Size(bytes)} free)" : "";
        Terminal.PrintTable("plan",
        [
            ("rows", $"{plan.Rows:N0} ({plan.TrainingRows:N0} training, {plan.HeldOutRows:N0} held out) from {plan.Tokens:N0} tokens"),
            .. plan.Stores.Select(store => (store.HookPoint, $"{store.DModel} wide, {store.Dtype.ToString().ToLowerInvariant()}, {StoreTable.Size(store.Bytes)}")),
            ("on disk", StoreTable.Size(plan.BytesOnDisk) + free),
            ("peak memory", StoreTable.Size(plan.PeakMemoryBytes)),
            ("time", $"{TimeSpan.FromSeconds(Math.Ceiling(plan.Seconds)):g} at {plan.RowsPerSecond:N0} rows/s"),
        ]);
    }

    private static string Describe(StoreManifest store)
    {
        string outliers = store.OutlierRows > 0 ? $", {store.OutlierRows:N0} outliers left out" : "";
        return $"{store.Rows:N0} rows x {store.Plan.DModel}, {store.Shards.Length} shards, mean norm {store.Statistics.MeanNorm:F3}{outliers}";
    }

}
