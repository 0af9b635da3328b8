using Monosemantic.Runtime;
using Spectre.Console;

namespace Monosemantic.Cli;

/// <summary>What people see: tables on standard output, progress bars on standard error.</summary>
internal static class Terminal
{
    /// <summary>Runs long work with a progress bar per stage; plain lines where the output is no terminal.</summary>
    internal static T WithProgress<T>(bool quiet, Func<IProgress<ProgressReport>?, T> work)
    {
        if (quiet) return work(new WarningLines());
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsErrorRedirected) return work(new ProgressLines());
        return console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var bars = new ProgressBars(console, context);
                T result = work(bars);
                bars.Complete();
                return result;
            });
    }

    /// <summary>Prints rows of label and value.</summary>
    internal static void PrintTable(string title, IEnumerable<(string Label, string Value)> rows)
    {
        (string Label, string Value)[] all = [.. rows];
        int width = all.Max(row => row.Label.Length);
        Console.Out.WriteLine(title);
        foreach ((string label, string value) in all) Console.Out.WriteLine($"  {label.PadRight(width)}  {value}");
    }

    /// <summary>Prints what is odd but no error, on standard error.</summary>
    internal static void PrintWarnings(IEnumerable<string> warnings)
    {
        foreach (string warning in warnings) Console.Error.WriteLine($"warning: {warning}");
    }

    /// <summary>Bars that move in place, one for each stage in the order in which the stages begin.</summary>
    private sealed class ProgressBars(IAnsiConsole console, ProgressContext context) : IProgress<ProgressReport>
    {
        private readonly Dictionary<string, ProgressTask> tasks = [];

        public void Report(ProgressReport value)
        {
            if (value.IsWarning)
            {
                console.MarkupLine($"[yellow]warning:[/] {Markup.Escape(value.Note ?? "")}");
                return;
            }
            if (!tasks.TryGetValue(value.Stage, out ProgressTask? task))
            {
                Complete();
                tasks[value.Stage] = task = context.AddTask(Markup.Escape(value.Stage), maxValue: Math.Max(1, value.Total));
            }
            string note = value.Note is null ? "" : $" [grey]{Markup.Escape(value.Note)}[/]";
            string count = value.Total > 0 ? $"{value.Done:N0}/{value.Total:N0}" : $"{value.Done:N0}";
            task.Description = $"{Markup.Escape(value.Stage)} {count} {Markup.Escape(value.Unit)}{note}";
            task.IsIndeterminate = value.Total == 0;
            task.Value = value.Done;
        }

        internal void Complete()
        {
            foreach (ProgressTask task in tasks.Values)
            {
                task.IsIndeterminate = false;
                task.Value = task.MaxValue;
            }
        }
    }

    /// <summary>Warnings alone, where progress is not wanted.</summary>
    private sealed class WarningLines : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.IsWarning) Console.Error.WriteLine($"warning: {value.Note}");
        }
    }

    /// <summary>A line every few seconds, for logs.</summary>
    private sealed class ProgressLines : IProgress<ProgressReport>
    {
        private const long EveryMilliseconds = 5000;
        private readonly WarningLines warnings = new();
        private string stage = "";
        private long nextAt;

        public void Report(ProgressReport value)
        {
            warnings.Report(value);
            if (value.IsWarning) return;
            if (value.Stage == stage && Environment.TickCount64 < nextAt) return;
            stage = value.Stage;
            nextAt = Environment.TickCount64 + EveryMilliseconds;
            string share = value.Total > 0 ? $"/{value.Total:N0}" : "";
            Console.Error.WriteLine($"{value.Stage}: {value.Done:N0}{share} {value.Unit}{(value.Note is null ? "" : ", " + value.Note)}");
        }
    }
}
