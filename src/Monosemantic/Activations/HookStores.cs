using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>The stores that one extraction writes side by side, one for each hook point.</summary>
internal sealed class HookStores : IDisposable
{
    private readonly string[] folders;
    // Null where a resumed run finds the store finished.
    private readonly ActivationWriter?[] writers;

    public HookStores(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus, string folder, bool resume)
    {
        folders = source.Hooks.Length == 1 ? [folder] : [.. source.Hooks.Select(hook => Path.Combine(folder, hook.HookPoint))];
        if (folders.Length > 1 && !resume && Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            throw new UserErrorException($"{folder} is not empty", "choose a new folder with --out, or go on with --resume");
        }
        writers = new ActivationWriter?[folders.Length];
        try
        {
            for (int i = 0; i < folders.Length; i++) writers[i] = Open(folders[i], config.PlanFor(source.Hooks[i], source.Model, corpus), resume);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a resumed run finds every store finished.</summary>
    public bool Finished => writers.All(writer => writer is null);

    /// <summary>Rows that every unfinished store has.</summary>
    public long Rows => writers.Min(writer => writer?.Rows ?? long.MaxValue);

    /// <summary>Adds the kept rows of one hook point, but for those that its store has already.</summary>
    public void Add(int hook, ReadOnlySpan<float> values, KeptRows kept, long firstRow)
    {
        if (writers[hook] is { } writer && writer.Rows < firstRow + kept.Count) kept.AddTo(writer, values, (int)(writer.Rows - firstRow));
    }

    /// <summary>Makes sure that the source gave every hook point its rows.</summary>
    public void CheckAllAt(long row)
    {
        if (writers.FirstOrDefault(writer => writer is not null && writer.Rows < row) is { } behind) throw new InvalidOperationException($"the source gave no activations for {behind.Plan.HookPoint}");
    }

    /// <summary>Finishes every store.</summary>
    public ImmutableArray<StoreManifest> Complete() =>
        [.. writers.Select((writer, i) => writer?.Complete() ?? StoreManifest.Read(Path.Combine(folders[i], StoreFolder.ManifestName)))];

    public void Dispose()
    {
        foreach (ActivationWriter? writer in writers) writer?.Dispose();
    }

    private static ActivationWriter? Open(string folder, StorePlan plan, bool resume)
    {
        if (!resume) return ActivationWriter.Create(folder, plan);
        string manifest = Path.Combine(folder, StoreFolder.ManifestName);
        if (!File.Exists(manifest)) return ActivationWriter.Resume(folder, plan);
        IReadOnlyList<string> differences = StoreManifest.Read(manifest).Plan.Differences(plan);
        if (differences.Count == 0) return null;
        throw new UserErrorException($"{folder} holds a finished store of another run; in the folder against now: {string.Join("; ", differences)}", "choose another folder with --out");
    }
}
