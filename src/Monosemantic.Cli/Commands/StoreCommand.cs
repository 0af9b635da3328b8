using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>store</c>: what an activation store holds, whether it is whole, several as one, some rows of it.</summary>
internal static class StoreCommand
{
    internal static Command Create() =>
        new ToolCommand("store", "Looks at activation stores, checks them, puts them together.", "monosemantic store info activations/demo/store") { Info(), Verify(), Merge(), Sample() };

    private static Argument<string> Folder() => new("DIR") { Description = "the activation store" };

    private static ToolCommand Info()
    {
        Argument<string> folder = Folder();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("info", "Says what an activation store holds.", "monosemantic store info activations/demo/store") { folder, json };
        command.SetAction(parsed =>
        {
            string[] folders = [.. ActivationStore.In(parsed.GetRequiredValue(folder))];
            if (!parsed.GetValue(json)) foreach (string one in folders) PrintInfo(one);
            else Console.Out.Write(folders is [var only] ? JsonFile.ToText(Described(only)) : JsonFile.ToText(folders.Select(Described)));
            return 0;
        });
        return command;
    }

    private static void PrintInfo(string folder)
    {
        using ActivationStore store = ActivationStore.Open(folder);
        Terminal.PrintTable(store.ToString(), StoreTable.Rows(store));
    }

    private static object Described(string folder)
    {
        using ActivationStore store = ActivationStore.Open(folder);
        StoreManifest manifest = store.Manifest;
        return new { manifest.FormatVersion, store.Sha256, manifest.Rows, manifest.HeldOutRows, manifest.OutlierRows, Bytes = StoreTable.Bytes(manifest), Shards = manifest.Shards.Length, manifest.Plan, manifest.Statistics, manifest.TrainingStatistics };
    }

    private static ToolCommand Verify()
    {
        Argument<string> folder = Folder();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("verify", "Compares every file of an activation store with its checksum.", "monosemantic store verify activations/demo/store") { folder, json };
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetRequiredValue(folder);
            bool quiet = parsed.GetValue(json);
            string[] problems = Terminal.WithProgress(quiet, progress => Problems(path, progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(new { Whole = problems.Length == 0, Problems = problems }));
            else if (problems.Length == 0) Console.Out.WriteLine($"{path} is whole: every file has its checksum");
            else throw new UserErrorException($"the activation store {path} is damaged: {string.Join("; ", problems)}", "copy these files again, or extract the store again");
            return Task.FromResult(problems.Length == 0 ? 0 : 1);
        });
        return command;
    }

    private static string[] Problems(string path, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        [.. ActivationStore.In(path).SelectMany(store => ActivationStore.Verify(store, progress, cancellation).Select(problem => store == path ? problem : $"{Path.GetFileName(store)}: {problem}"))];

    private static ToolCommand Merge()
    {
        var folders = new Argument<string[]>("DIR...") { Description = "the activation stores, two or more", Arity = ArgumentArity.OneOrMore };
        Option<string> output = CommonOptions.Out("where the new store goes");
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "merge",
            "Puts activation stores of the same hook point together. Every row keeps the split that it had.",
            "monosemantic store merge activations/first/store activations/second/store --out activations/both") { folders, output, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            bool quiet = parsed.GetValue(json);
            StoreManifest manifest = Terminal.WithProgress(quiet, progress =>
                StoreMerge.Merge(parsed.GetRequiredValue(folders), parsed.GetRequiredValue(output), parsed.GetValue(resume), progress, cancellation));
            if (quiet) Console.Out.Write(JsonFile.ToText(manifest));
            else Terminal.PrintTable("merged", [("rows", $"{manifest.Rows:N0} ({manifest.HeldOutRows:N0} held out)"), ("shards", $"{manifest.Shards.Length:N0}"), ("folder", parsed.GetRequiredValue(output))]);
            return Task.FromResult(0);
        });
        return command;
    }

    private static ToolCommand Sample()
    {
        Argument<string> folder = Folder();
        Option<int> rows = new Option<int>("--rows") { Description = "how many rows", DefaultValueFactory = _ => 10, HelpName = "N" }.AtLeast(1);
        Option<long> seed = CommonOptions.Seed();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("sample", "Shows some rows of an activation store, drawn at random; with --json their values too.", "monosemantic store sample activations/demo/store --rows 20") { folder, rows, seed, json };
        command.SetAction(parsed =>
        {
            using ActivationStore store = ActivationStore.Open(parsed.GetRequiredValue(folder));
            IReadOnlyList<SampledRow> drawn = SampledRow.Draw(store, parsed.GetValue(rows), parsed.GetValue(seed));
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(drawn));
            else StoreTable.PrintSample(store, drawn);
            return 0;
        });
        return command;
    }
}
