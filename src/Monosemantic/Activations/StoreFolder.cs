using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>The files of a store, and the claim of the one process that may write them.</summary>
internal sealed class StoreFolder : IDisposable
{
    public const string ManifestName = "manifest.json";
    public const string PlanName = "plan.json";
    public const string TokenTextsName = "tokens.parquet";
    public const string TensorName = "activations";
    public const string ScalesName = "scales";
    private const string LockName = ".lock";
    private readonly FileStream claim;

    private StoreFolder(string path)
    {
        Path = path;
        claim = Lock(path);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    public static string ShardName(int shard) => $"shard-{shard:D5}.safetensors";

    public static string RowsName(int shard) => $"shard-{shard:D5}.rows.parquet";

    public static string StatisticsName(int shard) => $"shard-{shard:D5}.stats.json";

    /// <summary>A file of the folder.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Claims a folder for writing and makes sure that it holds nothing but an unfinished store of the same plan, if that.</summary>
    /// <exception cref="UserErrorException">Another process writes it, or it holds something else.</exception>
    public static StoreFolder Claim(string path, StorePlan plan, bool resume)
    {
        plan.Check();
        AtomicFile.MakeFolder(path);
        var folder = new StoreFolder(path);
        try
        {
            folder.CheckContent(plan, resume);
            foreach (string leftover in Directory.EnumerateFiles(path, "*.tmp")) File.Delete(leftover);
            if (!File.Exists(folder[PlanName])) JsonFile.Write(folder[PlanName], plan);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Why a folder is not a finished store.</summary>
    public static UserErrorException Unfinished(string path)
    {
        if (!Directory.Exists(path)) return new($"the activation store {path} does not exist", "make it with `monosemantic extract`");
        if (File.Exists(System.IO.Path.Combine(path, PlanName)))
        {
            return new($"the activation store {path} is unfinished: it has no {ManifestName}", "finish it with the command that began it and --resume");
        }
        string[] stores = StoresIn(path);
        if (stores.Length == 0) return new($"{path} is not an activation store: it has no {ManifestName}", "give the folder that `monosemantic extract` wrote");
        return new($"{path} holds one activation store per hook point, not one store", $"give one of them: {string.Join(", ", stores)}");
    }

    /// <summary>The finished stores in a folder that is none itself: an extraction of several hook points makes one for each.</summary>
    public static string[] StoresIn(string path) =>
        Directory.Exists(path) && !File.Exists(System.IO.Path.Combine(path, ManifestName))
            ? [.. Directory.EnumerateDirectories(path).Where(inner => File.Exists(System.IO.Path.Combine(inner, ManifestName))).Order(StringComparer.Ordinal)]
            : [];

    /// <summary>Gives the folder up.</summary>
    public void Dispose() => claim.Dispose();

    private void CheckContent(StorePlan plan, bool resume)
    {
        if (File.Exists(this[ManifestName])) throw new UserErrorException($"{Path} already holds a finished activation store", "choose another folder with --out, or delete that one first");
        if (!File.Exists(this[PlanName]))
        {
            // A process that was killed at its first write leaves only that.
            bool foreign = Directory.EnumerateFileSystemEntries(Path).Select(System.IO.Path.GetFileName).Any(name => name != LockName && !name!.StartsWith(PlanName, StringComparison.Ordinal));
            if (foreign) throw new UserErrorException($"{Path} is not empty and holds no activation store", "choose an empty or new folder with --out");
            return;
        }
        if (!resume) throw new UserErrorException($"{Path} holds an unfinished activation store", "go on with --resume, choose another folder with --out, or delete that one first");
        IReadOnlyList<string> differences = JsonFile.Read<StorePlan>(this[PlanName]).Differences(plan);
        if (differences.Count == 0) return;
        throw new UserErrorException(
            $"{Path} holds an unfinished store of another run; in the folder against now: {string.Join("; ", differences)}",
            "resume with the settings, model, text and build that it was begun with, or choose another folder with --out");
    }

    private static FileStream Lock(string path)
    {
        string file = System.IO.Path.Combine(path, LockName);
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException failure) when (IsHeld(failure))
        {
            throw new UserErrorException($"another process is writing the activation store {path}", "wait for it to end, or choose another folder with --out", failure);
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, file) is { } explained)
        {
            throw explained;
        }
    }

    // EWOULDBLOCK of Linux (11) and macOS (35), ERROR_SHARING_VIOLATION of Windows (32), as the low half of the HRESULT.
    private static bool IsHeld(IOException failure) => (failure.HResult & 0xFFFF) is 11 or 32 or 35;
}
