using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>How far a run has come; saved with every checkpoint.</summary>
internal sealed record LineLearningProgress
{
    /// <summary>The text that the run reads; another one cannot be gone on with.</summary>
    public required string TextSha256 { get; init; }

    /// <summary>Loss of the untrained model.</summary>
    public required double UntrainedLoss { get; init; }

    /// <summary>Optimiser steps done.</summary>
    public int Step { get; init; }

    /// <summary>Batches done of the iteration that follows those in <see cref="Losses"/>.</summary>
    public int Batch { get; init; }

    /// <summary>Sum of the loss over those batches.</summary>
    public double LossSum { get; init; }

    /// <summary>Characters that the sum is over.</summary>
    public long LossCount { get; init; }

    public ImmutableArray<IterationLoss> Losses { get; init; } = [];

    public ImmutableArray<LineLearningSnapshot> Snapshots { get; init; } = [];
}

/// <summary>
/// The folder of a run. While it runs: <c>run.json</c>, <c>losses.jsonl</c> so far and the last checkpoint. Finished:
/// <c>model.safetensors</c>, <c>losses.jsonl</c>, <c>snapshots.json</c> and <c>config.json</c>, the last to be written; a page is
/// drawn from these.
/// </summary>
internal sealed class LineLearningFolder
{
    private static readonly JsonSerializerOptions OneLine = new(JsonFile.Options) { WriteIndented = false };
    private readonly string directory;
    private readonly LineLearningConfig config;

    private LineLearningFolder(string directory, LineLearningConfig config) => (this.directory, this.config) = (directory, config);

    private string RunPath => Path.Combine(directory, "run.json");

    private string ProgressPath => Path.Combine(directory, "checkpoint.json");

    private string ConfigPath => Path.Combine(directory, "config.json");

    private string RecordPath => Path.Combine(directory, "snapshots.json");

    /// <summary>Whether the run is finished: everything but the page is there.</summary>
    internal bool IsFinished => File.Exists(ConfigPath);

    /// <summary>Opens a folder for a run, refusing one that holds something else.</summary>
    internal static LineLearningFolder Open(string directory, LineLearningConfig config, bool resume)
    {
        var folder = new LineLearningFolder(directory, config);
        if (File.Exists(directory)) throw new UserErrorException($"{directory} is a file", "choose a folder with --out");
        if (folder.IsFinished)
        {
            if (!resume || !File.Exists(folder.RecordPath)) throw new UserErrorException($"{directory} already holds a finished {(File.Exists(folder.RecordPath) ? "run" : "model")}", "choose another folder with --out");
            folder.CheckSettings(folder.ConfigPath);
            return folder;
        }
        if (File.Exists(folder.RunPath))
        {
            // A run that stopped before its first checkpoint has nothing to lose: the corrected command starts over.
            if (File.Exists(folder.ProgressPath))
            {
                if (!resume) throw new UserErrorException($"{directory} holds an unfinished run", "add --resume to go on with it, or choose another folder with --out");
                folder.CheckSettings(folder.RunPath);
                return folder;
            }
        }
        else if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
        {
            throw new UserErrorException($"{directory} is not empty", "choose an empty or new folder with --out");
        }
        AtomicFile.MakeFolder(directory);
        JsonFile.Write(folder.RunPath, config);
        return folder;
    }

    /// <summary>What the finished run made.</summary>
    internal LineLearningRecord Record(string textSha256)
    {
        LineLearningRecord record = JsonFile.Read<LineLearningRecord>(RecordPath);
        CheckText(record.TextSha256, textSha256);
        return record;
    }

    /// <summary>Puts a learner back to the last checkpoint; null where there is none.</summary>
    internal LineLearningProgress? Restore(LineLearner learner, string textSha256)
    {
        if (!File.Exists(ProgressPath)) return null;
        LineLearningProgress progress = JsonFile.Read<LineLearningProgress>(ProgressPath);
        CheckText(progress.TextSha256, textSha256);
        using SafetensorsFile file = SafetensorsFile.Open(StatePath(progress.Step));
        learner.Restore(progress.Step, file);
        return progress;
    }

    /// <summary>Saves a checkpoint; the state first, then the file that points to it, then the old state goes.</summary>
    internal void Checkpoint(LineLearner learner, LineLearningProgress progress)
    {
        SafetensorsWriter.Write(StatePath(progress.Step), learner.State());
        WriteLosses(progress.Losses);
        JsonFile.Write(ProgressPath, progress);
        foreach (string old in Directory.EnumerateFiles(directory, "checkpoint-*.safetensors").Where(path => path != StatePath(progress.Step)).ToArray()) File.Delete(old);
    }

    /// <summary>Writes what the run made, the config last, and removes what only the run needed.</summary>
    internal void Finish(SimpleTransformer model, LineLearningRecord record)
    {
        model.Save(Path.Combine(directory, "model.safetensors"));
        WriteLosses(record.Losses);
        JsonFile.Write(RecordPath, record);
        JsonFile.Write(ConfigPath, config);
        foreach (string left in Directory.EnumerateFiles(directory, "checkpoint*").Append(RunPath).ToArray()) File.Delete(left);
    }

    private void CheckSettings(string path)
    {
        if (File.ReadAllText(path) != JsonFile.ToText(config)) throw new UserErrorException($"{path} holds other settings than this run", "resume with the settings of the first start, or choose another folder with --out");
    }

    private void CheckText(string learned, string given)
    {
        if (learned != given) throw new UserErrorException($"{config.Text} is not the text that the run in {directory} began with", "bring back the text as it was, or choose another folder with --out");
    }

    private void WriteLosses(IEnumerable<IterationLoss> losses) =>
        AtomicFile.WriteText(Path.Combine(directory, "losses.jsonl"), string.Concat(losses.Select(loss => JsonSerializer.Serialize(loss, OneLine) + "\n")));

    private string StatePath(int step) => Path.Combine(directory, $"checkpoint-{step:D9}.safetensors");
}
