using System.Collections.Immutable;
using System.Diagnostics;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>
/// Runs a model over a corpus and stores what its hook points show: one store for each, in the folder itself where there is
/// one hook point, else in a subfolder named after it.
/// </summary>
public static class ActivationExtractor
{
    /// <summary>Loads what the settings name, and extracts.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="folder">Where the store goes: new, empty, or to be resumed.</param>
    /// <param name="resume">Whether to go on with what an interrupted run with the same settings left.</param>
    /// <param name="progress">Told of documents read and rows stored.</param>
    /// <param name="cancellation">Stops between two forward passes; whole shards are kept to resume from.</param>
    /// <returns>The manifest of each hook point's store, in the order of the settings.</returns>
    /// <exception cref="UserErrorException">A setting, the model, the text or the folder is not as it must be, or the disk is full.</exception>
    public static ImmutableArray<StoreManifest> Extract(ExtractionConfig config, string folder, bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check();
        ImmutableArray<HookPoint> points = config.HookPoints();
        using Transformer model = Transformer.Load(config.Model);
        ActivationSource source = ActivationSource.Of(model, points);
        TokenizedCorpus corpus = TokenizedCorpus.Load(config.CorpusOptions, Tokenizer.Load(config.Model), progress, cancellation);
        return Extract(config, source, corpus, folder, resume, progress, cancellation);
    }

    /// <summary>Extracts with a model and a corpus that are loaded already.</summary>
    /// <param name="config">The settings; its model, text and hooks are those of the next two arguments.</param>
    /// <param name="source">The model.</param>
    /// <param name="corpus">The text.</param>
    /// <param name="folder">Where the store goes: new, empty, or to be resumed.</param>
    /// <param name="resume">Whether to go on with what an interrupted run with the same settings left.</param>
    /// <param name="progress">Told of rows stored.</param>
    /// <param name="cancellation">Stops between two forward passes; whole shards are kept to resume from.</param>
    /// <returns>The manifest of each hook point's store, in the order of the source's hooks.</returns>
    /// <exception cref="UserErrorException">A setting or the folder is not as it must be, no token is kept, or the disk is full.</exception>
    public static ImmutableArray<StoreManifest> Extract(
        ExtractionConfig config,
        ActivationSource source,
        TokenizedCorpus corpus,
        string folder,
        bool resume = false,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(corpus);
        config.Check();
        Check(config, source, corpus);
        IEnumerable<ImmutableArray<TokenContext>> batches = ContextPacker.Batches(corpus.Contexts(config), config.Batch);
        using var stores = new HookStores(config, source, corpus, folder, resume);
        if (!stores.Finished)
        {
            var reporter = new RowProgress(progress, stores.Rows, config.Rows > 0 ? Math.Min(config.Rows, corpus.Tokens) : corpus.Tokens);
            Run(config, source, batches, stores, reporter, cancellation);
        }
        return stores.Complete();
    }

    private static void Run(ExtractionConfig config, ActivationSource source, IEnumerable<ImmutableArray<TokenContext>> batches, HookStores stores, RowProgress reporter, CancellationToken cancellation)
    {
        long limit = config.Rows > 0 ? config.Rows : long.MaxValue, row = 0;
        foreach (ImmutableArray<TokenContext> batch in batches)
        {
            if (row == limit) return;
            var kept = new KeptRows(batch, config.ExcludeInserted, limit - row);
            long first = row;
            row += kept.Count;
            // Groups of contexts are the same whether resumed or not, so that a row's last bit is too.
            if (kept.Count == 0 || row <= stores.Rows) continue;
            cancellation.ThrowIfCancellationRequested();
            source.Compute(batch, (hook, values) => stores.Add(hook, values, kept, first));
            stores.CheckAllAt(row);
            reporter.Report(row);
        }
    }

    private static void Check(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus)
    {
        if (config.Context > source.MaxContext)
        {
            throw new UserErrorException($"context is {config.Context} tokens, but {source.Model.Name} reads at most {source.MaxContext}", $"set context to at most {source.MaxContext}");
        }
        int highest = corpus.Documents.Select(document => document.Tokens.DefaultIfEmpty(0).Max()).DefaultIfEmpty(0).Max();
        if (highest >= source.VocabularySize)
        {
            throw new UserErrorException($"the tokenizer gives token id {highest}, but the vocabulary of {source.Model.Name} is 0..{source.VocabularySize - 1}", "use the tokenizer.json that belongs to the model");
        }
    }

    /// <summary>Tells of rows and their rate, a few times a second at most.</summary>
    private sealed class RowProgress(IProgress<ProgressReport>? progress, long from, long total)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private double last = double.NegativeInfinity;

        public void Report(long row)
        {
            double now = clock.Elapsed.TotalSeconds;
            if (progress is null || (now - last < 0.1 && row < total)) return;
            last = now;
            progress.Report(new ProgressReport("extract", row, total, "rows", $"{(row - from) / Math.Max(now, 1e-3):N0} rows/s"));
        }
    }
}
