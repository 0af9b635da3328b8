using System.Collections.Immutable;
using System.Diagnostics;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Notebooks;

/// <summary>What one code cell did.</summary>
/// <param name="Cell">Its number in the notebook, from 1, prose included.</param>
/// <param name="Outputs">What it showed.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record CellRun(int Cell, ImmutableArray<NotebookOutput> Outputs, double Seconds);

/// <summary>Runs a notebook from top to bottom, in its own folder, as Jupyter would.</summary>
internal static class NotebookRun
{
    /// <summary>Runs every code cell in order; the outputs stand in the notebook then.</summary>
    /// <param name="notebook">The notebook.</param>
    /// <param name="finished">Told after each cell.</param>
    /// <param name="inspect">Looks at the session after the last cell; null for nobody.</param>
    /// <exception cref="UserErrorException">A cell does not compile, or throws; the message says which.</exception>
    internal static async Task ExecuteAsync(Notebook notebook, Action<NotebookCell, CellRun>? finished = null, Action<NotebookSession>? inspect = null)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(notebook.Path))!, before = Environment.CurrentDirectory;
        using var session = new NotebookSession(folder);
        int execution = 0;
        Environment.CurrentDirectory = folder;
        try
        {
            foreach (NotebookCell cell in notebook.Cells.Where(cell => cell.IsCode))
            {
                var clock = Stopwatch.StartNew();
                (ImmutableArray<NotebookOutput> outputs, CellFailure? failure) = await session.RunAsync(cell.Source);
                cell.Show(++execution, outputs);
                if (failure is not null) throw new UserErrorException($"{Path.GetFileName(notebook.Path)}, cell {cell.Number}{(failure.Line is { } line ? $", line {line}" : "")}: {failure.Message}", failure.Hint);
                finished?.Invoke(cell, new(cell.Number, outputs, clock.Elapsed.TotalSeconds));
            }
            inspect?.Invoke(session);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }
}
