using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>How far a language-model run has come; saved with every checkpoint.</summary>
internal sealed record LanguageModelProgress
{
    public int Step { get; init; }

    public IReadOnlyList<LossPoint> Curve { get; init; } = [];

    public IReadOnlyList<LanguageModelSample> Samples { get; init; } = [];

    public double LossSum { get; init; }

    public int LossCount { get; init; }

    [System.Text.Json.Serialization.JsonIgnore]
    public double LastHeldOut => Curve.Count > 0 ? Curve[^1].HeldOut : double.NaN;

    public LanguageModelProgress WithPoint(double heldOut) =>
        this with { Curve = [.. Curve, new(Step, LossSum / LossCount, heldOut)], LossSum = 0, LossCount = 0 };
}

/// <summary>
/// The folder of a language-model run. While it runs: <c>run.json</c>, the tokenizer and the last checkpoint. Finished: the
/// model; <c>config.json</c> is written last, so a folder with it is whole.
/// </summary>
internal sealed class LanguageModelFolder
{
    private readonly string directory;

    private LanguageModelFolder(string directory) => this.directory = directory;

    internal string TokenizerPath => Path.Combine(directory, "tokenizer.json");

    private string WeightsPath => Path.Combine(directory, "model.safetensors");

    private string RunPath => Path.Combine(directory, "run.json");

    private string ProgressPath => Path.Combine(directory, "checkpoint.json");

    /// <summary>Opens a folder for a run, refusing one that holds something else.</summary>
    internal static LanguageModelFolder Open(string directory, LanguageModelConfig config, bool resume)
    {
        var folder = new LanguageModelFolder(directory);
        if (File.Exists(Path.Combine(directory, "config.json"))) throw new UserErrorException($"{directory} already holds a finished model", "choose another folder with --out");
        if (File.Exists(folder.RunPath))
        {
            // A run that failed before its first checkpoint has nothing to lose: the corrected command starts over.
            if (!File.Exists(folder.ProgressPath)) return folder.StartOver(config);
            if (!resume) throw new UserErrorException($"{directory} holds an unfinished run", "add --resume to go on with it, or choose another folder with --out");
            if (File.ReadAllText(folder.RunPath) != JsonFile.ToText(config)) throw new UserErrorException($"{folder.RunPath} holds other settings than this run", "resume with the settings of the first start, or choose another folder with --out");
            return folder;
        }
        if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any()) throw new UserErrorException($"{directory} is not empty", "choose an empty or new folder with --out");
        AtomicFile.MakeFolder(directory);
        return folder.StartOver(config);
    }

    private LanguageModelFolder StartOver(LanguageModelConfig config)
    {
        JsonFile.Write(RunPath, config);
        File.Delete(TokenizerPath);
        return this;
    }

    /// <summary>Puts a trainer back to the last checkpoint, if there is one.</summary>
    internal LanguageModelProgress Restore(LanguageModelTrainer trainer)
    {
        if (!File.Exists(ProgressPath)) return new();
        LanguageModelProgress progress = JsonFile.Read<LanguageModelProgress>(ProgressPath);
        using SafetensorsFile file = SafetensorsFile.Open(StatePath(progress.Step));
        trainer.Restore(progress.Step, file);
        return progress;
    }

    /// <summary>Saves a checkpoint; the state first, then the file that points to it, then the old state goes.</summary>
    internal void Checkpoint(LanguageModelTrainer trainer, LanguageModelProgress progress)
    {
        SafetensorsWriter.Write(StatePath(progress.Step), trainer.State());
        JsonFile.Write(ProgressPath, progress);
        foreach (string old in Directory.EnumerateFiles(directory, "checkpoint-*.safetensors").Where(path => path != StatePath(progress.Step))) File.Delete(old);
    }

    internal void SaveWeights(Transformer model, WeightStorage storage)
    {
        using var scope = NewDisposeScope();
        ScalarType type = storage == WeightStorage.F16 ? ScalarType.Float16 : ScalarType.Float32;
        SafetensorsWriter.Write(WeightsPath, model.Named.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.detach().to(type))), new Dictionary<string, string> { ["format"] = "pt" });
    }

    /// <summary>The model as its stored weights make it, before the folder is finished.</summary>
    internal Transformer LoadStored(IReadOnlyDictionary<string, object> configFile)
    {
        string staging = Directory.CreateDirectory(Path.Combine(directory, "staging")).FullName;
        JsonFile.Write(Path.Combine(staging, "config.json"), configFile);
        File.Copy(WeightsPath, Path.Combine(staging, "model.safetensors"), overwrite: true);
        Transformer model = Transformer.Load(staging);
        Directory.Delete(staging, recursive: true);
        return model;
    }

    /// <summary>Writes what remains, the config last, and removes what only the run needed.</summary>
    internal void Finish(IReadOnlyDictionary<string, object> configFile, LanguageModelReport report)
    {
        JsonFile.Write(Path.Combine(directory, "training.json"), report);
        AtomicFile.WriteText(Path.Combine(directory, "README.md"), report.ModelCard(new DirectoryInfo(directory).Name));
        JsonFile.Write(Path.Combine(directory, "config.json"), configFile);
        foreach (string left in Directory.EnumerateFiles(directory, "checkpoint*").Append(RunPath)) File.Delete(left);
    }

    private string StatePath(int step) => Path.Combine(directory, $"checkpoint-{step:D7}.safetensors");
}
