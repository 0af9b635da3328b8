using System.Text;
using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>
/// One training in its folder: checkpoints, the log (<c>log.jsonl</c>, a line of losses every few steps, without times, so
/// that the same run writes the same bytes) and the finished autoencoder.
/// </summary>
internal sealed class SaeTrainingRun : IDisposable
{
    private const string RunName = "run.json", LogName = "log.jsonl";
    private static readonly JsonSerializerOptions LineOptions = new(JsonFile.Options) { WriteIndented = false };
    private readonly string folder;
    private readonly FileStream log;

    /// <summary>Begins or resumes a run.</summary>
    /// <exception cref="UserErrorException">Config, activations or folder are not right.</exception>
    internal SaeTrainingRun(SaeTrainingConfig config, SaeTrainingInput input, string folder, bool resume, int threads)
    {
        this.folder = folder;
        CheckFolder(folder, resume);
        Trainer = new SaeTrainer(config, input, threads);
        try
        {
            if (resume) Trainer.Resume(folder);
            AtomicFile.MakeFolder(folder);
            JsonFile.Write(Path.Combine(folder, RunName), config);
            log = OpenLog(Path.Combine(folder, LogName), Trainer.Steps);
        }
        catch
        {
            Trainer.Dispose();
            throw;
        }
    }

    internal SaeTrainer Trainer { get; }

    /// <summary>Whether all steps are done.</summary>
    internal bool IsDone => Trainer.Steps >= Trainer.Config.TotalSteps;

    /// <summary>Logs a step and makes a checkpoint where it is time.</summary>
    /// <exception cref="OperationCanceledException">The token asks for it; a checkpoint was written.</exception>
    internal void After(TrainStep step, IProgress<TrainStep>? progress, CancellationToken cancellation)
    {
        progress?.Report(step);
        SaeTrainingConfig config = Trainer.Config;
        bool last = step.Step == config.TotalSteps;
        if (last || step.Step % config.LogEvery == 0) log.Write(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(step, LineOptions) + "\n"));
        if (!last && (cancellation.IsCancellationRequested || (config.CheckpointEvery > 0 && step.Step % config.CheckpointEvery == 0)))
        {
            // The log must reach at least as far as the checkpoint, which says where it is cut.
            log.Flush(flushToDisk: true);
            Trainer.SaveCheckpoint(folder);
        }
        if (!last) cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>Saves the finished autoencoder and drops the checkpoints.</summary>
    internal SparseAutoencoder Finish()
    {
        log.Flush(flushToDisk: true);
        SparseAutoencoder finished = Trainer.Snapshot();
        finished.Save(folder);
        SaeCheckpoint.DeleteAll(folder);
        File.Delete(Path.Combine(folder, RunName));
        return finished;
    }

    // Lines after the checkpoint are of steps that will be taken again; a line cut short is one of them.
    private static FileStream OpenLog(string path, long steps)
    {
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        long end = 0;
        using (var reader = new StreamReader(stream, Encoding.UTF8, leaveOpen: true))
        {
            while (reader.ReadLine() is { } line && StepOf(line) is { } step && step <= steps) end += Encoding.UTF8.GetByteCount(line) + 1;
        }
        stream.SetLength(Math.Min(end, stream.Length));
        stream.Seek(0, SeekOrigin.End);
        return stream;
    }

    private static long? StepOf(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.GetProperty("step").GetInt64();
        }
        catch (Exception failure) when (failure is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static void CheckFolder(string folder, bool resume)
    {
        if (File.Exists(Path.Combine(folder, SaeStorage.ManifestName))) throw new UserErrorException($"{folder} already holds a finished sparse autoencoder", "choose another folder, or delete that one first");
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any()) return;
        // Only a folder that this trainer began may be written to, and later cleaned of its checkpoints.
        if (!File.Exists(Path.Combine(folder, RunName)) && !SaeCheckpoint.AnyIn(folder)) throw new UserErrorException($"{folder} is not empty and holds no run of this kind", "choose an empty or new folder with --out");
        if (!resume) throw new UserErrorException($"{folder} holds an unfinished run", "go on with --resume, or choose another folder with --out");
    }

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        log.Dispose();
        Trainer.Dispose();
    }
}
