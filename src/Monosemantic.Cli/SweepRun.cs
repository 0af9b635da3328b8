using Monosemantic.Activations;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Scaling;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>What a sweep covers.</summary>
/// <param name="Activations">Folder of the activation store.</param>
/// <param name="Base">Settings of every run; width, tokens and seed are overridden.</param>
/// <param name="Widths">Numbers of features.</param>
/// <param name="Tokens">Tokens to train on.</param>
/// <param name="Seeds">Seeds; with two or more each run is compared with its twin of the next seed.</param>
internal sealed record SweepSettings(string Activations, SaeTrainingConfig Base, long[] Widths, long[] Tokens, long[] Seeds);

/// <summary>Trains and evaluates a dictionary for every width, budget and seed; each is a run of <c>train</c> with those keys overridden.</summary>
internal sealed class SweepRun(string folder, SweepSettings settings)
{
    internal const string ResultName = "sweep.json", PictureName = "sweep.html";

    internal ScalingResult Execute(bool resume, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        SaeTrainingConfig[] configs = [.. settings.Widths.SelectMany(width => settings.Tokens.SelectMany(tokens => settings.Seeds.Select(seed => Config(width, tokens, seed))))];
        foreach (SaeTrainingConfig config in configs) config.Check($"the run {NameOf(config)}");
        using ActivationStore store = ActivationStore.Open(settings.Activations);
        if (store.RowCount(StoreSplit.HeldOut) == 0) throw new UserErrorException($"{settings.Activations} holds no held-out row to measure the loss on", "extract more documents, or with a larger held_out_fraction (extract ... --set held_out_fraction=0.1)");
        OpenFolder(store.Sha256, resume);
        for (int i = 0; i < configs.Length; i++)
        {
            Train(store, configs[i], progress, cancellation);
            progress?.Report(new("sweep", i + 1, configs.Length, "runs", NameOf(configs[i])));
        }
        ScalingPoint[] points = [.. configs.Select(config => Point(store, config, progress, cancellation))];
        var result = new ScalingResult(settings.Base.Architecture, [.. points], ScalingLaws.Fit(points));
        JsonFile.Write(Path.Combine(folder, ResultName), result);
        return result;
    }

    // Through the same keys as --set, so that whatever a run file may hold stays as it is.
    private SaeTrainingConfig Config(long width, long tokens, long seed) => RunFile.Override(settings.Base, [$"d_sae={width}", $"tokens={tokens}", $"seed={seed}"]);

    private void OpenFolder(string store, bool resume)
    {
        string path = Path.Combine(folder, "settings.json");
        string wanted = JsonFile.ToText(new { settings.Base, settings.Widths, settings.Tokens, settings.Seeds, StoreSha256 = store });
        if (File.Exists(path))
        {
            if (!resume) throw new UserErrorException($"{folder} already holds a sweep", "choose another folder with --out, delete it, or add --resume to go on with it");
            if (File.ReadAllText(path) != wanted) throw new UserErrorException($"{path} holds other settings than this sweep", "resume with the options of the first start, or choose another folder with --out");
            return;
        }
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
        AtomicFile.MakeFolder(folder);
        AtomicFile.WriteText(path, wanted);
    }

    private void Train(ActivationStore store, SaeTrainingConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        string run = FolderOf(config);
        if (File.Exists(Path.Combine(run, "sae.json"))) return;
        SaeTrainer.Train(config, StoreInput.From(store, config), run, resume: true, TrainProgress.Of(progress, config), cancellation: cancellation).Dispose();
    }

    private ScalingPoint Point(ActivationStore store, SaeTrainingConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        string run = FolderOf(config), metrics = Path.Combine(run, "metrics.json");
        EvaluationResult result = File.Exists(metrics) ? JsonFile.Read<EvaluationResult>(metrics) : Evaluate(config, metrics, progress, cancellation);
        double? shared = result.Numbers.TryGetValue("stability_shared", out MetricValue? number) ? number.Value : null;
        return new(config.DSae, config.Tokens, config.Seed, 12.0 * store.DModel * config.DSae * config.Tokens, result.Numbers["fvu"], result.L0, shared, Path.GetFileName(run));
    }

    private EvaluationResult Evaluate(SaeTrainingConfig config, string metrics, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        long[] seeds = settings.Seeds;
        string? twin = seeds.Length < 2 ? null : FolderOf(config with { Seed = seeds[(Array.IndexOf(seeds, config.Seed) + 1) % seeds.Length] });
        EvaluationOutcome outcome = EvaluationRun.Measure(new() { Sae = FolderOf(config), Activations = settings.Activations, Baselines = false, Twin = twin }, progress, cancellation);
        outcome.Write(metrics);
        return outcome.Result;
    }

    private string FolderOf(SaeTrainingConfig config) => Path.Combine(folder, NameOf(config));

    private static string NameOf(SaeTrainingConfig config) => $"width-{config.DSae}-tokens-{config.Tokens}-seed-{config.Seed}";
}
