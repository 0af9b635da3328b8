using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Models;
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
}

/// <summary>Evaluates a dictionary on what it was not trained on: held-out rows of its store, held-out documents of its text.</summary>
public static class EvaluationRun
{
    private const int RowsAtOnce = 4096, ContextsAtOnce = 16;

    /// <summary>Measures everything.</summary>
    /// <param name="config">What to evaluate.</param>
    /// <param name="progress">Told how far it has come; null for nobody.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">Dictionary, store, model and text do not belong together, or nothing is held out.</exception>
    public static EvaluationResult Execute(EvaluationConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Contexts < 1) throw new UserErrorException($"contexts is {config.Contexts}; it must be at least 1", "leave --model out to evaluate the reconstruction alone");
        using ActivationStore store = ActivationStore.Open(config.Activations);
        using SparseAutoencoder sae = SparseAutoencoder.Load(config.Sae);
        store.RequireSite(sae.Config.HookPoint, sae.Config.DModel, sae.Provenance.ModelSha256, config.Sae);
        CrossEntropyResult? behaviour = config.Model is null ? null : Behaviour(config, store.Manifest.Plan, sae, progress, cancellation);
        IEnumerable<ActivationBatch> rows = store.Read(RowsAtOnce, StoreSplit.HeldOut);
        EvaluationResult result = Evaluation.Measure(sae, rows, "held_out", behaviour, store.RowCount(StoreSplit.HeldOut), progress, cancellation);
        return result with
        {
            Origin = new(SparseAutoencoder.ManifestHash(config.Sae), store.Sha256, store.Manifest.Plan.Model.Sha256, config.Model is null ? 0 : config.Contexts, CodeVersion.Current),
        };
    }

    private static CrossEntropyResult Behaviour(EvaluationConfig config, StorePlan plan, SparseAutoencoder sae, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        using Transformer model = Transformer.Load(config.Model!);
        model.ReportWarnings(progress);
        Tokenizer tokenizer = Tokenizer.Load(config.Model!);
        plan.RequireModel(model.Sha256, tokenizer.Sha256, config.Model!);
        TokenContext[] contexts = [.. HeldOutContexts(config, plan, tokenizer, progress, cancellation)];
        IEnumerable<TokenContext[]> batches = ContextPacker.Batches(contexts, ContextsAtOnce).Select(batch => batch.ToArray());
        return SplicedLoss.Measure(model, HookPoint.Parse(plan.HookPoint), sae.Reconstruct, batches, progress, cancellation);
    }

    // Documents in a seeded random order, so that a few contexts stand for the whole corpus and not for its beginning.
    private static IEnumerable<TokenContext> HeldOutContexts(
        EvaluationConfig config, StorePlan plan, Tokenizer tokenizer, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        using var hasher = new CorpusHasher();
        var options = new CorpusOptions { Paths = [.. config.Text], TextField = config.TextField };
        TokenizedDocument[] documents = [.. CorpusTokenizer.TokenizeAll(hasher.Watch(Corpus.Read(options, progress, cancellation)), tokenizer, cancellation).Where(document => plan.Split.IsHeldOut(document.Index))];
        if (hasher.Identify(options).Sha256 != plan.Corpus.Sha256) throw new UserErrorException($"{string.Join(" ", config.Text)} is not the text that {config.Activations} was extracted from", $"give the same text with --text: {plan.Corpus.Source} {plan.Corpus.Version}");
        new SeededRandom(plan.Split.Seed).Shuffle(documents.AsSpan());
        var policy = new ContextPolicy { Context = plan.Tokens.Context, Bos = plan.Tokens.Bos, Pack = plan.Tokens.Pack };
        // Where nothing is inserted the token does not matter, and the store could be made without one.
        return ContextPacker.Pack(documents, policy, tokenizer.EndOfText ?? 0).Take(config.Contexts);
    }
}
