using System.Text.Json.Nodes;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics.Probing;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Metrics;

/// <summary>What <c>eval</c> is asked to do.</summary>
public sealed record EvaluationConfig
{
    /// <summary>Folder of the dictionary.</summary>
    public required string Sae { get; init; }

    /// <summary>Folder of the activation store whose held-out rows are evaluated.</summary>
    public required string Activations { get; init; }

    /// <summary>Folder of the model, with its tokenizer; null to leave the model's behaviour out.</summary>
    public string? Model { get; init; }

    /// <summary>The text of the store, for the model's behaviour on its held-out documents.</summary>
    public IReadOnlyList<string> Text { get; init; } = [];

    /// <summary>Field that holds the text in JSON lines.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Held-out contexts on which the model runs with the dictionary spliced in.</summary>
    public int Contexts { get; init; } = 200;

    /// <summary>Which positions zero and mean ablation replace.</summary>
    public AblatedPositions Ablate { get; init; }

    /// <summary>Folder of a second dictionary, trained alike from another seed, to see which features come back; null for none.</summary>
    public string? Twin { get; init; }

    /// <summary>Whether baselines are measured beside the dictionary.</summary>
    public bool Baselines { get; init; } = true;

    /// <summary>Whether probes, spelling and scores of single features are measured; needs model and text.</summary>
    public bool Interpret { get; init; }
}

/// <summary>The numbers of a dictionary, in this tool's words and in SAEBench's.</summary>
/// <param name="Result">What goes into <c>metrics.json</c>.</param>
/// <param name="SaeBench">What goes into <c>saebench_core.json</c>.</param>
public sealed record EvaluationOutcome(EvaluationResult Result, JsonObject SaeBench)
{
    /// <summary>Writes both files, side by side.</summary>
    /// <param name="path">Path of the metrics file.</param>
    /// <returns>Path of the other one.</returns>
    public string Write(string path)
    {
        string other = SaeBenchCore.PathFor(path);
        JsonFile.Write(path, Result);
        JsonFile.Write(other, SaeBench);
        return other;
    }
}

/// <summary>Evaluates a dictionary on what it was not trained on: held-out rows of its store, held-out documents of its text.</summary>
public static class EvaluationRun
{
    private const int RowsAtOnce = 4096;

    /// <summary>Measures everything.</summary>
    /// <param name="config">What to evaluate.</param>
    /// <param name="progress">Told how far it has come; null for nobody.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">Dictionary, store, model and text do not belong together, or nothing is held out.</exception>
    public static EvaluationResult Execute(EvaluationConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation) => Measure(config, progress, cancellation).Result;

    /// <summary>Measures everything, for both files.</summary>
    /// <param name="config">What to evaluate.</param>
    /// <param name="progress">Told how far it has come; null for nobody.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">Dictionary, store, model and text do not belong together, or nothing is held out.</exception>
    public static EvaluationOutcome Measure(EvaluationConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Contexts < 1) throw new UserErrorException($"contexts is {config.Contexts}; it must be at least 1", "leave --model out to evaluate the reconstruction alone");
        if (config.Interpret && config.Model is null) throw new UserErrorException("probes read the text through the model's tokenizer, and no model is given", "give the model's folder with --model, and the text with --text");
        using ActivationStore store = ActivationStore.Open(config.Activations);
        using SparseAutoencoder sae = SparseAutoencoder.Load(config.Sae);
        store.RequireSite(sae.Config.HookPoint, sae.Config.DModel, sae.Provenance.ModelSha256, config.Sae);
        if (sae.Config.Outputs != sae.Config.DModel || (sae.Config.HookPointOut is { } other && other != sae.Config.HookPoint)) throw new UserErrorException($"{config.Sae} predicts {sae.Config.HookPointOut ?? "another site"} from {sae.Config.HookPoint}; eval measures how well a dictionary reconstructs what it reads", "give a sparse autoencoder rather than a transcoder");
        if (store.RowCount(StoreSplit.HeldOut) == 0) throw new UserErrorException($"{config.Activations} holds no held-out row, of {store.Manifest.Rows:N0}", "extract more documents, or with a larger held_out_fraction (extract ... --set held_out_fraction=0.1)");
        IReadOnlyList<double> mean = store.Manifest.Statistics.Mean;
        using HeldOutModel? model = config.Model is null ? null : HeldOutModel.Load(config, store.Manifest, progress, cancellation);
        CrossEntropyResult? behaviour = model?.Measure(sae.Reconstruct, config.Contexts, progress, cancellation);
        var pass = new DictionaryPass(sae, mean, config.Baselines ? BaselineComparison.Rows : 0);
        Evaluation.Read(pass, store.Read(RowsAtOnce, StoreSplit.HeldOut), store.RowCount(StoreSplit.HeldOut), progress, cancellation);
        DecoderGeometry geometry = DecoderGeometry.Of(sae);
        EvaluationResult result = Evaluation.Result(pass, geometry, "held_out", behaviour) with
        {
            Origin = new(SparseAutoencoder.ManifestHash(config.Sae), store.Sha256, store.Manifest.Plan.Model.Sha256, config.Model is null ? 0 : config.Contexts, CodeVersion.Current, config.Ablate),
        };
        if (config.Twin is not null) result = WithTwin(result, sae, store, config.Twin);
        if (SyntheticStore.TruthOf(config.Activations) is { } truth) result = WithTruth(result, store, sae, truth, cancellation);
        if (config.Baselines) result = WithBaselines(result, store, sae, pass, model, BaselineComparison.ContextsOf(config.Contexts), progress, cancellation);
        if (config.Interpret) result = result with { Interpretability = Interpretability.Measure(store, sae, CorpusOf(config), Tokenizer.OfModel(config.Model!), progress, cancellation) };
        return new(result, SaeBenchCore.Of(result, pass, geometry, sae, store.Manifest.Plan));
    }

    private static EvaluationResult WithTwin(EvaluationResult result, SparseAutoencoder sae, ActivationStore store, string folder)
    {
        using SparseAutoencoder twin = SparseAutoencoder.Load(folder);
        store.RequireSite(twin.Config.HookPoint, twin.Config.DModel, twin.Provenance.ModelSha256, folder);
        var numbers = new Dictionary<string, MetricValue>(result.Numbers);
        foreach ((string name, MetricValue number) in Stability.Of(sae.WDec, twin.WDec)) numbers[name] = number;
        return result with { Numbers = numbers };
    }

    private static EvaluationResult WithTruth(EvaluationResult result, ActivationStore store, SparseAutoencoder sae, SyntheticModel truth, CancellationToken cancellation)
    {
        var compared = new GroundTruth(sae, truth);
        foreach (ActivationBatch batch in store.Read(RowsAtOnce, StoreSplit.HeldOut))
        {
            cancellation.ThrowIfCancellationRequested();
            compared.Add(batch);
        }
        return result with { GroundTruth = compared.Compute("held_out") };
    }

    private static EvaluationResult WithBaselines(
        EvaluationResult result, ActivationStore store, SparseAutoencoder sae, DictionaryPass pass, HeldOutModel? model, int contexts, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        using BaselineFit? fit = BaselineFit.From(store.Read(RowsAtOnce, StoreSplit.Training));
        if (fit is null) return result with { NoBaselines = "the store has no training row to fit baselines to" };
        BaselineComparison.Splice? splice = model is null ? null : reconstruct => model.Measure(reconstruct, contexts, progress, cancellation).Numbers;
        return result with { Baselines = BaselineComparison.Measure(pass, fit, sae, store.Read(RowsAtOnce, StoreSplit.HeldOut), "held_out", store.Manifest.Statistics.Mean, splice) };
    }

    /// <summary>The corpus that the settings name.</summary>
    internal static CorpusOptions CorpusOf(EvaluationConfig config) => new() { Paths = [.. config.Text], TextField = config.TextField };
}
