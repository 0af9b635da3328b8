using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Monosemantic.Training;

namespace Monosemantic.Features;

/// <summary>What <c>scan</c> is asked to do.</summary>
public sealed record ScanConfig
{
    /// <summary>Folder of the dictionary.</summary>
    public required string Sae { get; init; }

    /// <summary>Folder of the activation store that is read, once.</summary>
    public required string Activations { get; init; }

    /// <summary>Folder of the model, with its tokenizer.</summary>
    public required string Model { get; init; }

    /// <summary>A <c>metrics.json</c> to keep with the evidence; null for none.</summary>
    public string? Metrics { get; init; }

    /// <summary>Whether the raw neurons of the hook point get the same evidence; how features correlate with them is found either way.</summary>
    public bool Neurons { get; init; }

    /// <summary>Contexts of each feature, from the strongest, at which its effect on the next token's loss is measured; 0 for none.</summary>
    public int AblatedContexts { get; init; } = 3;

    /// <summary>Seed of the random draws of firings and contexts.</summary>
    public long Seed { get; init; }
}

/// <summary>Gathers the evidence for every feature of a dictionary and writes it as an index.</summary>
public static class ScanRun
{
    private const int MostRowsAtOnce = 16384, LeastRowsAtOnce = 1024, BytesAtOnce = 32 << 20;
    private const string StateName = "scan.state";
    private const string FeatureDefinition =
        "A feature is one direction of the dictionary; it fires at a token if it is among the k features kept there with a positive activation.";

    /// <summary>Scans and writes.</summary>
    /// <param name="config">What to scan.</param>
    /// <param name="folder">Where the index goes; new or empty, or with the unfinished scan to resume.</param>
    /// <param name="progress">Told how far it has come; null for nobody.</param>
    /// <param name="resume">Whether to go on with the unfinished scan in the folder, if there is one.</param>
    /// <param name="saveEvery">Time between two savings of the state; null for one minute.</param>
    /// <param name="cancellation">Stops between batches; no index is written then.</param>
    /// <exception cref="UserErrorException">Dictionary, store and model do not belong together, or the folder is in use.</exception>
    public static FeatureIndexCard Execute(
        ScanConfig config, string folder, IProgress<ProgressReport>? progress, bool resume = false, TimeSpan? saveEvery = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        OpenFolder(folder, resume);
        using var modelRead = new Aside<Transformer>(() => Transformer.Load(config.Model));
        using var tokenizerRead = new Aside<Tokenizer>(() => Tokenizer.OfModel(config.Model));
        using var metricsRead = new Aside<EvaluationResult?>(() => config.Metrics is null ? null : JsonFile.Read<EvaluationResult>(config.Metrics));
        using ActivationStore store = ActivationStore.Open(config.Activations);
        using SparseAutoencoder sae = SparseAutoencoder.Load(config.Sae);
        Transformer model = modelRead.Result;
        model.ReportWarnings(progress);
        StorePlan plan = store.Manifest.Plan;
        store.RequireSite(sae.Config.HookPoint, sae.Config.DModel, sae.Provenance.ModelSha256, config.Sae);
        Tokenizer tokenizer = tokenizerRead.Result;
        plan.RequireModel(model.Sha256, tokenizer.Sha256, config.Model);
        store.RequireTokens(tokenizer.VocabularySize);
        EvaluationResult? evaluation = metricsRead.Result;
        RequireOwn(evaluation, config);
        AtomicFile.MakeFolder(folder);
        var checkpoint = new ScanCheckpoint(Path.Combine(folder, StateName), Identity(config, store), saveEvery ?? TimeSpan.FromMinutes(1));
        var inputs = new ScanInputs(config, store, sae, model, HookPoint.Parse(plan.HookPoint));
        EvidenceResult found = Gather(inputs, evaluation, checkpoint, progress, cancellation);
        using var writer = IndexWriter.Begin(folder, found.Features, found.Neurons, Enumerable.Range(0, tokenizer.VocabularySize).Where(tokenizer.Contains).Select(token => KeyValuePair.Create(token, tokenizer.Display(token))));
        writer.Add(Worth(inputs, found, progress, cancellation));
        FeatureIndexCard card = Card(inputs, found) with { Evaluation = WithoutScores(evaluation) };
        writer.Finish(card);
        checkpoint.Delete();
        return card;
    }

    // A folder of a scan that was stopped holds its state and perhaps tables, which are written again.
    private static void OpenFolder(string folder, bool resume)
    {
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any()) return;
        bool unfinished = !FeatureIndex.IsFinished(folder) && Directory.EnumerateFileSystemEntries(folder).All(path => Path.GetFileName(path).StartsWith(StateName, StringComparison.Ordinal) || path.EndsWith(".parquet", StringComparison.Ordinal) || path.EndsWith(".tmp", StringComparison.Ordinal));
        if (resume && unfinished)
        {
            foreach (string leftover in Directory.EnumerateFiles(folder, "*.tmp")) File.Delete(leftover);
            return;
        }
        throw unfinished
            ? new UserErrorException($"{folder} is not empty: it holds an unfinished scan", "add --resume to go on with it, or choose another folder with --out")
            : new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
    }

    private static string Identity(ScanConfig config, ActivationStore store) =>
        $"{SparseAutoencoder.ManifestHash(config.Sae)} {store.Sha256} {config.Neurons} {config.Seed} {CodeVersion.Current}";

    private static EvidenceResult Gather(ScanInputs inputs, EvaluationResult? evaluation, ScanCheckpoint checkpoint, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        (ScanConfig config, ActivationStore store, SparseAutoencoder sae, Transformer model, HookPoint at) = inputs;
        var options = new FeatureScanOptions { Seed = config.Seed };
        using var directions = new Aside<Directions>(() => DirectionsOf(inputs, options, cancellation));
        EvidenceResult evidence = EvidenceScan.Run(
            sae, inputs.Neurons, store.Read(Math.Clamp(BytesAtOnce / sizeof(float) / store.DModel, LeastRowsAtOnce, MostRowsAtOnce)), () => (directions.Result.FeatureLogits, directions.Result.NeuronLogits), options, store.Manifest.Rows, progress, checkpoint, cancellation);
        (ImmutableArray<ImmutableArray<NeighbourEvidence>> nearest, ImmutableArray<MapPoint> map) = (directions.Result.Nearest, directions.Result.Map);
        ImmutableArray<UnitEvidence> features = [.. evidence.Features.Select((unit, i) => unit with { Neighbours = unit.Neighbours.AddRange(nearest[i]), Map = map.IsEmpty ? null : map[i] })];
        return evidence with { Features = Scored(features, evaluation), Neurons = Scored(evidence.Neurons, evaluation) };
    }

    // What the weights alone say, found out while the activations are read.
    private static Directions DirectionsOf(ScanInputs inputs, FeatureScanOptions options, CancellationToken cancellation)
    {
        (_, _, SparseAutoencoder sae, Transformer model, HookPoint at) = inputs;
        using ProductThreads.Lease single = ProductThreads.Single();
        return new(
            AblationEffects.WritesTo(sae, at) is { } writes ? EvidenceScan.Logits(model, writes, sae.WDec) : null,
            inputs.Neurons is null ? null : EvidenceScan.Logits(model, at, null),
            DecoderGeometry.Nearest(sae.WDec, options.Neighbours, cancellation),
            DecoderGeometry.Map(sae.WDec));
    }

    // The units, in order, with what they are worth to the model.
    private static IEnumerable<UnitEvidence> Worth(ScanInputs inputs, EvidenceResult found, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        (ScanConfig config, ActivationStore store, SparseAutoencoder sae, Transformer model, HookPoint at) = inputs;
        if (config.AblatedContexts == 0) return found.Features.Concat(found.Neurons);
        IEnumerable<UnitEvidence> features = AblationEffects.InOrder(model, at, sae, found.Features, config.AblatedContexts, store, progress, cancellation);
        return inputs.Neurons is null ? features : features.Concat(AblationEffects.InOrder(model, at, inputs.Neurons, found.Neurons, config.AblatedContexts, store, progress, cancellation));
    }

    private static void RequireOwn(EvaluationResult? metrics, ScanConfig config)
    {
        if (metrics is null || metrics.Origin?.DictionarySha256 == SparseAutoencoder.ManifestHash(config.Sae)) return;
        throw new UserErrorException($"{config.Metrics} holds the numbers of another autoencoder than {config.Sae}", "evaluate this one with `monosemantic eval` first");
    }

    // What the evaluation measured of single units on held-out rows becomes theirs.
    private static ImmutableArray<UnitEvidence> Scored(ImmutableArray<UnitEvidence> units, EvaluationResult? evaluation)
    {
        if (units.IsEmpty || evaluation?.Interpretability?.UnitScores is not { } measured) return units;
        IEnumerable<(int Unit, double? Token, double? Context)> scores = units[0].Kind == UnitKind.Feature
            ? measured.Features.Select(score => (score.Feature, score.TokenPredictability, score.ContextPredictability))
            : measured.Neurons.Select(score => (score.Neuron, score.TokenPredictability, score.ContextPredictability));
        Dictionary<int, (int, double? Token, double? Context)> known = scores.ToDictionary(score => score.Unit);
        return [.. units.Select(unit => known.TryGetValue(unit.Index, out var of) ? unit with { TokenPredictability = of.Token, ContextPredictability = of.Context } : unit)];
    }

    // They stand in the tables of the units and need not stand in the card as well.
    private static EvaluationResult? WithoutScores(EvaluationResult? evaluation) =>
        evaluation?.Interpretability is { } measured ? evaluation with { Interpretability = measured with { UnitScores = measured.UnitScores with { Features = [], Neurons = [] } } } : evaluation;

    private static FeatureIndexCard Card(ScanInputs inputs, EvidenceResult evidence)
    {
        (ScanConfig config, ActivationStore store, SparseAutoencoder sae, _, _) = inputs;
        StorePlan plan = store.Manifest.Plan;
        return new FeatureIndexCard
        {
            Model = plan.Model.Name,
            ModelSha256 = plan.Model.Sha256,
            HookPoint = plan.HookPoint,
            DModel = sae.Config.DModel,
            DSae = sae.Config.DSae,
            K = sae.Config.K > 0 ? sae.Config.K : null,
            Corpus = $"{plan.Corpus.Source} {plan.Corpus.Version}".TrimEnd(),
            TokensTrained = sae.Provenance.Tokens ?? 0,
            RowsScanned = evidence.Rows,
            ActiveFeatures = evidence.ActiveFeatures,
            Seed = sae.Provenance.Seed ?? 0,
            CodeVersion = CodeVersion.Current,
            FeatureDefinition = FeatureDefinition,
            NeuronDefinition = inputs.Neurons?.Definition ?? "The raw neurons were not scanned; scan --neurons does it.",
            Provenance =
            [
                new("text", plan.Corpus.Sha256),
                new("tokenizer", plan.TokenizerSha256),
                new("model", plan.Model.Sha256),
                new("activations", store.Sha256),
                new("dictionary", SparseAutoencoder.ManifestHash(config.Sae)),
            ],
            LanguageModel = LanguageModelFacts(config.Model),
        };
    }

    /// <summary>What a scan reads, opened.</summary>
    private sealed record ScanInputs(ScanConfig Config, ActivationStore Store, SparseAutoencoder Sae, Transformer Model, HookPoint At)
    {
        internal NeuronBasis? Neurons { get; } = Config.Neurons ? NeuronBasis.Of(Store, Sae) : null;
    }

    private sealed record Directions(
        IReadOnlyList<UnitLogits>? FeatureLogits, IReadOnlyList<UnitLogits>? NeuronLogits, ImmutableArray<ImmutableArray<NeighbourEvidence>> Nearest, ImmutableArray<MapPoint> Map);

    // Only models trained by this tool carry their own numbers.
    private static ImmutableArray<NamedValue> LanguageModelFacts(string model)
    {
        string path = Path.Combine(model, "training.json");
        if (!File.Exists(path)) return [];
        LanguageModelReport report = JsonFile.Read<LanguageModelReport>(path);
        string Line(LanguageModelScore score) => $"{score.NatsPerToken:F3} nats/token, {score.BitsPerByte:F3} bits/byte";
        return
        [
            new("parameters", $"{report.Parameters:N0}"),
            new("training text", $"{report.Corpus.Source} {report.Corpus.Version}, {report.TrainingTokens:N0} tokens, {report.Config.Steps:N0} iterations"),
            new("held-out cross-entropy", Line(report.Model)),
            new("bigram counts, same tokens", Line(report.Bigram)),
            new("unigram counts, same tokens", Line(report.Unigram)),
        ];
    }
}
