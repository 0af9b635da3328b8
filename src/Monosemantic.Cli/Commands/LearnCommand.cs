using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Monosemantic.Reports.Learning;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli.Commands;

/// <summary><c>learn</c>: watch a small transformer learn to map each line of a text to the next.</summary>
internal static class LearnCommand
{
    internal static Command Create()
    {
        var file = new Argument<string?>("run.json") { Description = "settings, such as the config.json of another run; any key left out keeps its default", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> text = new("--text") { Description = "the text file to learn", HelpName = "FILE" };
        Option<string?> snapshots = new("--snapshots") { Description = "iterations after which to look at the model, separated by commas; 0 is the untrained model, the largest is the last [default: 0,10,50]", HelpName = "A,B,..." };
        Option<string?> prompt = new("--prompt") { Description = "the line to continue and whose neurons are shown [default: To be, or not to be, that is the question:]", HelpName = "LINE" };
        Option<int?> pairs = new("--pairs") { Description = "train on the text's first N pairs of lines only; 0 is all [default: 0]", HelpName = "N" };
        Option<long?> seed = new("--seed") { Description = "seed of every random choice [default: 0]", HelpName = "S" };
        Option<string> output = CommonOptions.Out("where the model, its snapshots and the page go");
        Option<string[]> set = CommonOptions.Set();
        Option<bool> resume = CommonOptions.Resume(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "learn",
            "Trains a small transformer encoder to map each line of a text to the next, and writes one HTML page with the text it writes and "
            + "its neurons after chosen numbers of iterations (passes over the text), and its loss curve.",
            "monosemantic learn --text shakespeare.txt --snapshots 0,10,50 --out activations/learn") { file, text, snapshots, prompt, pairs, seed, output, set, resume, json };
        command.SetAction((parsed, cancellation) =>
        {
            IEnumerable<string> options = [Option("text", parsed.GetValue(text)), Snapshots(parsed.GetValue(snapshots)), Option("prompt", parsed.GetValue(prompt)), Option("pairs", parsed.GetValue(pairs)), Option("seed", parsed.GetValue(seed))];
            var config = RunFile.Read<LineLearningConfig>(parsed.GetValue(file), options.Where(option => option.Length > 0).Concat(parsed.GetValue(set) ?? []));
            if (config.Text.Length == 0) throw new UserErrorException("no text to learn", "give a text file with --text FILE");
            string folder = parsed.GetRequiredValue(output), page = Path.Combine(folder, "index.html");
            bool quiet = parsed.GetValue(json);
            var clock = Stopwatch.StartNew();
            LineLearningRecord record = Terminal.WithProgress(quiet, progress => new LineLearningRun(config, folder, progress).Execute(parsed.GetValue(resume), cancellation));
            LearningPage.Write(page, record);
            if (quiet) Console.Out.Write(JsonFile.ToText(Summary(record, page)));
            else Print(record, page, clock.Elapsed);
            return Task.FromResult(0);
        });
        return command;
    }

    // As an override of the run file's key; text is quoted, so that a prompt of digits stays text.
    private static string Option<T>(string key, T? value) => value is null ? "" : $"{key}={JsonSerializer.Serialize(value)}";

    private static string Snapshots(string? given)
    {
        if (given is null) return "";
        string[] parts = given.Split(',', StringSplitOptions.TrimEntries);
        string[] wrong = [.. parts.Where(part => !int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _))];
        if (wrong.Length == 0) return $"snapshots=[{string.Join(",", parts.Select(part => int.Parse(part, CultureInfo.InvariantCulture)))}]";
        throw new UserErrorException($"--snapshots {given}: {string.Join(", ", wrong.Select(part => $"'{part}'"))} {(wrong.Length == 1 ? "is no number" : "are no numbers")} of iterations", "give whole numbers of at least 0, separated by commas, such as 0,10,50");
    }

    private static object Summary(LineLearningRecord record, string page) => new
    {
        record.Pairs,
        Iterations = record.Losses.Length,
        record.Parameters,
        record.UniformLoss,
        record.FrequencyLoss,
        record.UntrainedLoss,
        Loss = record.Losses.LastOrDefault()?.Loss,
        Snapshots = record.Snapshots.Select(snapshot => new { snapshot.Iteration, snapshot.Lines }),
        Page = page,
    };

    private static void Print(LineLearningRecord record, string page, TimeSpan time)
    {
        string loss = record.Losses is [.., var last] ? $"{record.UntrainedLoss:F3} -> {last.Loss:F3}" : $"{record.UntrainedLoss:F3}";
        Terminal.PrintTable("learned",
        [
            ("text", $"{record.Text}, {record.Pairs:N0} pairs of lines, {record.Vocabulary.EnumerateRunes().Count()} characters"),
            ("model", $"{record.Parameters:N0} parameters"),
            ("loss, nats/character", $"{loss} (by frequency alone {record.FrequencyLoss:F3}, all characters alike {record.UniformLoss:F3})"),
            ("time", $"{time.TotalSeconds:F1} s for {record.Losses.Length:N0} iterations"),
            ("page", page),
        ]);
        foreach (LineLearningSnapshot snapshot in record.Snapshots)
        {
            Console.Out.WriteLine($"after {snapshot.Iteration:N0} iterations");
            foreach (string line in snapshot.Lines) Console.Out.WriteLine($"  {Printable(line)}");
        }
    }

    // A text may hold control characters, which a terminal would obey.
    private static string Printable(string line) => string.Concat(line.EnumerateRunes().Select(rune => Rune.IsControl(rune) ? Rune.ReplacementChar : rune));
}
