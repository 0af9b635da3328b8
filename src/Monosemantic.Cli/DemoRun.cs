using System.Diagnostics;
using Monosemantic.Activations;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Models;
using Monosemantic.Reports;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>What a demo run is made with; saved in its folder, so that only the same run resumes.</summary>
internal sealed record DemoSettings
{
    public long Seed { get; init; }

    public bool FromScratch { get; init; }

    public long Rows { get; init; } = 600_000;

    public int DSae { get; init; } = 4096;

    public int K { get; init; } = 16;

    public long Tokens { get; init; } = 4_000_000;
}

/// <summary>What a demo run made and how long it took.</summary>
internal sealed record DemoResult(string Report, EvaluationResult Evaluation, IReadOnlyDictionary<string, double> Seconds, long PeakMemoryBytes);

/// <summary>The stages one after another, each the same library call as its own command. A finished stage is not done again.</summary>
internal sealed class DemoRun(string folder, DemoSettings settings)
{
    private const string Text = "dotnet-docs";
    private readonly Dictionary<string, double> seconds = [];

    private string Store => Path.Combine(folder, "store");

    private string Sae => Path.Combine(folder, "sae");

    private string Metrics => Path.Combine(folder, "metrics.json");

    private string Index => Path.Combine(folder, "features");

    private string Report => Path.Combine(folder, "report.html");

    internal DemoResult Execute(bool resume, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        string model = settings.FromScratch ? Path.Combine(folder, "model") : SampleModel.Find();
        OpenFolder(resume);
        if (settings.FromScratch) Timed("lm train", Path.Combine(model, "config.json"), () => TrainModel(model, resume, progress, cancellation));
        string hook = HookOf(model);
        Timed("extract", Path.Combine(Store, "manifest.json"), () => Extract(model, hook, resume, progress, cancellation));
        Timed("train", Path.Combine(Sae, "sae.json"), () => Train(resume, progress, cancellation));
        Timed("eval", Metrics, () => Evaluate(model, progress, cancellation));
        Timed("scan", Path.Combine(Index, "index.json"), () => Scan(model, progress, cancellation));
        Timed("report", Report, () => HtmlReport.Write(Report, ReportSource.From(FeatureIndex.Open(Index))));
        return new(Report, JsonFile.Read<EvaluationResult>(Metrics), seconds, Process.GetCurrentProcess().PeakWorkingSet64);
    }

    private void OpenFolder(bool resume)
    {
        string path = Path.Combine(folder, "demo.json");
        if (File.Exists(path))
        {
            if (!resume) throw new UserErrorException($"{folder} already holds a demo run", "choose another folder with --out, delete it, or add --resume to go on with it");
            if (JsonFile.Read<DemoSettings>(path) != settings) throw new UserErrorException($"{path} holds other settings than this run", "resume with the options of the first start, or choose another folder with --out");
            return;
        }
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
        AtomicFile.MakeFolder(folder);
        JsonFile.Write(path, settings);
    }

    private void Timed(string stage, string product, Action run)
    {
        if (File.Exists(product)) return;
        var clock = Stopwatch.StartNew();
        run();
        seconds[stage] = clock.Elapsed.TotalSeconds;
    }

    private void TrainModel(string model, bool resume, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var config = new LanguageModelConfig { Vocabulary = 2048, Layers = 2, DModel = 128, Heads = 4, Batch = 16, Steps = 400, WarmupSteps = 40, SampleAt = [10, 50], Seed = settings.Seed };
        new LanguageModelRun(config, model, progress).Execute(resume, "monosemantic demo --from-scratch", cancellation);
    }

    // Past the middle: late enough for meaning, early enough to leave the model something to do with it.
    private static string HookOf(string model)
    {
        var reader = new ConfigReader(Path.Combine(model, "config.json"));
        int layers = ModelFamily.Find(reader.Text("model_type"), reader.Path).ReadConfig(reader).Layers;
        return new HookPoint(HookSite.ResidPost, layers / 2).ToString();
    }

    private void Extract(string model, string hook, bool resume, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        ActivationExtractor.Extract(new ExtractionConfig { Model = model, Text = [Text], Hooks = [hook], Rows = settings.Rows, Dtype = StoreDtype.F16, Seed = settings.Seed }, Store, resume, progress, cancellation);

    private void Train(bool resume, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var config = new SaeTrainingConfig { DSae = settings.DSae, K = settings.K, Tokens = settings.Tokens, Seed = settings.Seed, Lr = 2e-3 };
        using ActivationStore store = ActivationStore.Open(Store);
        SaeTrainer.Train(config, StoreInput.From(store, config), Sae, resume, TrainProgress.Of(progress, config), cancellation: cancellation).Dispose();
    }

    private void Evaluate(string model, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        JsonFile.Write(Metrics, EvaluationRun.Execute(new EvaluationConfig { Sae = Sae, Activations = Store, Model = model, Text = [Text], Interpret = true }, progress, cancellation));

    private void Scan(string model, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        ScanRun.Execute(new ScanConfig { Sae = Sae, Activations = Store, Model = model, Metrics = Metrics, Neurons = true, Seed = settings.Seed }, Index, progress, resume: true, cancellation: cancellation);
}
