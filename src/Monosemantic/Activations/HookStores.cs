using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>The stores that one extraction writes side by side, one for each hook point. All get the same rows.</summary>
internal sealed class HookStores : IDisposable
{
    private readonly string[] folders;
    // Null where a resumed run finds the store finished.
    private readonly ActivationWriter?[] writers;

    public HookStores(ImmutableArray<StorePlan> plans, IReadOnlyList<string> tokenTexts, string folder, bool resume)
    {
        folders = FoldersOf(folder, plans);
        if (folders.Length > 1 && !resume && Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            throw new UserErrorException($"{folder} is not empty", "choose a new folder with --out, or go on with --resume");
        }
        writers = new ActivationWriter?[folders.Length];
        try
        {
            for (int i = 0; i < folders.Length; i++)
            {
                writers[i] = ActivationWriter.OpenUnlessFinished(folders[i], plans[i], resume, ownBlocks: true);
                if (tokenTexts.Count > 0) writers[i]?.WriteTokenTexts(tokenTexts);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a resumed run finds every store finished.</summary>
    public bool Finished => writers.All(writer => writer is null);

    /// <summary>The folder of each store.</summary>
    public static string[] FoldersOf(string folder, ImmutableArray<StorePlan> plans) =>
        plans.Length == 1 ? [folder] : [.. plans.Select(plan => Path.Combine(folder, plan.HookPoint))];

    /// <summary>Rows of a split that every unfinished store has.</summary>
    public long RowsOf(bool heldOut) => writers.Min(writer => writer?.RowsOf(heldOut) ?? long.MaxValue);

    /// <summary>Rows and outliers of a split that no unfinished store needs any more.</summary>
    public long CandidatesOf(bool heldOut) => writers.Min(writer => writer?.CandidatesOf(heldOut) ?? long.MaxValue);

    /// <summary>Adds the rows of one forward pass, but for outliers and for what a store has already.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="values">Their activations, for each hook point [n, width].</param>
    /// <param name="outliers">Which rows are outliers [n].</param>
    /// <param name="heldOut">Which split they are of.</param>
    /// <param name="firstCandidate">Number of the first of them in the split, outliers counted.</param>
    /// <param name="limit">Rows of the split after which to stop.</param>
    public void Add(KeptRows rows, float[][] values, bool[] outliers, bool heldOut, long firstCandidate, long limit)
    {
        for (int hook = 0; hook < writers.Length; hook++)
        {
            if (writers[hook] is { } writer) Add(writer, rows, values[hook], outliers, heldOut, (int)Math.Max(0, writer.CandidatesOf(heldOut) - firstCandidate), limit);
        }
    }

    /// <summary>Finishes every store.</summary>
    public ImmutableArray<StoreManifest> Complete() =>
        [.. writers.Select((writer, i) => writer?.Complete() ?? StoreManifest.Read(Path.Combine(folders[i], StoreFolder.ManifestName)))];

    public void Dispose()
    {
        foreach (ActivationWriter? writer in writers) writer?.Dispose();
    }

    private static void Add(ActivationWriter writer, KeptRows rows, float[] values, bool[] outliers, bool heldOut, int from, long limit)
    {
        int width = writer.Plan.DModel;
        for (int first = from, end; first < rows.Count && writer.RowsOf(heldOut) < limit; first = end)
        {
            end = first + 1;
            if (outliers[first])
            {
                writer.LeaveOut(heldOut);
                continue;
            }
            long last = Math.Min(rows.Count, first + limit - writer.RowsOf(heldOut));
            while (end < last && !outliers[end]) end++;
            int count = end - first;
            writer.Add(values.AsSpan(first * width, count * width), rows.Documents.AsSpan(first, count), rows.Positions.AsSpan(first, count), rows.Tokens.AsSpan(first, count));
        }
        writer.EndBlock();
    }
}
