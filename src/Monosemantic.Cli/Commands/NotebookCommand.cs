using System.CommandLine;
using Monosemantic.Cli.Notebooks;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>notebook</c>: runs notebooks of C# cells without a kernel.</summary>
internal static class NotebookCommand
{
    internal static Command Create()
    {
        var command = new ToolCommand("notebook", "Runs notebooks of C# cells without a kernel.", "monosemantic notebook run notebooks/04-explore-features.ipynb");
        command.Subcommands.Add(Run());
        return command;
    }

    private static ToolCommand Run()
    {
        var file = new Argument<string>("FILE") { Description = "the .ipynb file" };
        Option<string?> output = new("--out") { Description = "write the notebook with its new outputs here; it may be FILE itself", HelpName = "FILE" };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "run",
            "Runs every code cell of a notebook in order, in the notebook's folder, and shows what each one shows. "
            + "#r of an assembly that this program has means that assembly; nothing is downloaded. The cells are code and may do what you may.",
            "monosemantic notebook run notebooks/04-explore-features.ipynb --out run.ipynb") { file, output, json };
        command.SetAction(async (parsed, _) =>
        {
            var notebook = Notebook.Open(parsed.GetRequiredValue(file));
            string? target = parsed.GetValue(output) is { } path ? Path.GetFullPath(path) : null;
            bool quiet = parsed.GetValue(json);
            var runs = new List<CellRun>();
            await NotebookRun.ExecuteAsync(notebook, (cell, run) =>
            {
                runs.Add(run);
                if (!quiet) Print(cell, run);
            });
            if (target is not null) notebook.Save(target);
            if (quiet) Console.Out.Write(JsonFile.ToText(new { Notebook = Path.GetFileName(notebook.Path), Cells = runs.Select(run => new { run.Cell, run.Seconds, Outputs = run.Outputs.Select(shown => shown.Text) }) }));
            else Console.Out.WriteLine($"{runs.Count} code cells in {runs.Sum(run => run.Seconds):F1} s{(target is null ? "" : $"; written: {parsed.GetValue(output)}")}");
            return 0;
        });
        return command;
    }

    private static void Print(NotebookCell cell, CellRun run)
    {
        Console.Out.WriteLine($"[cell {cell.Number}, {run.Seconds:F1} s]");
        foreach (NotebookOutput shown in run.Outputs) Console.Out.WriteLine(string.Join('\n', shown.Text.TrimEnd('\n').Split('\n').Select(line => $"  {ResultPrinter.Cell(line)}")));
    }
}
