using Monosemantic.Activations;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>A store's model with held-out contexts of its text, to run with something in place of the activations.</summary>
internal sealed class HeldOutModel : IDisposable
{
    private const int ContextsAtOnce = 16;

    // Two sets of logits are held at a time: a quarter of a gigabyte each at most.
    private const long LogitsAtOnce = 64 << 20;
    private readonly Transformer model;
    private readonly StoreManifest store;
    private readonly TokenContext[] contexts;
    private readonly AblatedPositions ablated;

    private HeldOutModel(Transformer model, StoreManifest store, TokenContext[] contexts, AblatedPositions ablated) =>
        (this.model, this.store, this.contexts, this.ablated) = (model, store, contexts, ablated);

    /// <summary>Loads the model and the contexts.</summary>
    /// <param name="config">What to evaluate; with a model.</param>
    /// <param name="store">The store.</param>
    /// <param name="progress">Told while reading.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">Model, tokenizer or text are not those of the store.</exception>
    internal static HeldOutModel Load(EvaluationConfig config, StoreManifest store, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        Transformer model = Transformer.Load(config.Model!);
        try
        {
            model.ReportWarnings(progress);
            Tokenizer tokenizer = Tokenizer.OfModel(config.Model!);
            store.Plan.RequireModel(model.Sha256, tokenizer.Sha256, config.Model!);
            return new(model, store, [.. HeldOutContexts(config, store.Plan, tokenizer, progress, cancellation)], config.Ablate);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Runs the model as it is, spliced and ablated over the first contexts.</summary>
    /// <param name="reconstruct">What takes the place of the activations [n, width] -> [n, width].</param>
    /// <param name="most">Most contexts to take.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    internal CrossEntropyResult Measure(Func<Tensor, Tensor> reconstruct, int most, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        StorePlan plan = store.Plan;
        int atOnce = (int)Math.Clamp(LogitsAtOnce / ((long)plan.Tokens.Context * model.Config.VocabularySize), 1, ContextsAtOnce);
        IEnumerable<TokenContext[]> batches = ContextPacker.Batches(contexts.Take(most), atOnce).Select(batch => batch.ToArray());
        return SplicedLoss.Measure(model, HookPoint.Parse(plan.HookPoint), reconstruct, batches, progress, store.Statistics.Mean, "held_out", ablated, cancellation);
    }

    // Documents in a seeded random order, so that a few contexts stand for the whole corpus and not for its beginning.
    private static IEnumerable<TokenContext> HeldOutContexts(
        EvaluationConfig config, StorePlan plan, Tokenizer tokenizer, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        using var hasher = new CorpusHasher();
        CorpusOptions options = EvaluationRun.CorpusOf(config);
        TokenizedDocument[] documents = [.. CorpusTokenizer.TokenizeAll(hasher.Watch(Corpus.Read(options, progress, cancellation)), tokenizer, cancellation).Where(document => plan.Split.IsHeldOut(document.Index))];
        if (hasher.Identify(options).Sha256 != plan.Corpus.Sha256) throw new UserErrorException($"{string.Join(" ", config.Text)} is not the text that {config.Activations} was extracted from", $"give the same text with --text: {plan.Corpus.Source} {plan.Corpus.Version}");
        new SeededRandom(plan.Split.Seed).Shuffle(documents.AsSpan());
        ContextPolicy policy = plan.Tokens.ContextPolicy;
        // Where nothing is inserted the token does not matter, and the store could be made without one.
        return ContextPacker.Pack(documents, policy, plan.Tokens.BosToken ?? tokenizer.Bos ?? 0).Take(config.Contexts);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();
}
