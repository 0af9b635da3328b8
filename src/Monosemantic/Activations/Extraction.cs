using System.Collections.Immutable;
using System.Diagnostics;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>One extraction: a model and a text that are loaded, what it is going to take, and the run itself.</summary>
public sealed class Extraction : IDisposable
{
    private readonly ExtractionConfig config;
    private readonly ActivationSource source;
    private readonly TokenizedCorpus corpus;
    private readonly ContextSchedule schedule;
    private readonly IDisposable? model;
    private readonly Lazy<GroupActivations> group;
    private readonly Lazy<Calibration> calibration;
    private readonly Lazy<ImmutableArray<StorePlan>> plans;

    /// <summary>Prepares an extraction with a model and a corpus that are loaded already.</summary>
    /// <param name="config">The settings; their model, text and hooks are those of the next two arguments.</param>
    /// <param name="source">The model; it must outlive this.</param>
    /// <param name="corpus">The text; it must outlive this.</param>
    /// <param name="cancellation">Stops the counting of contexts.</param>
    /// <exception cref="UserErrorException">A setting is not as it must be, or no token becomes a row.</exception>
    public Extraction(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus, CancellationToken cancellation = default)
        : this(config, source, corpus, null, cancellation)
    {
    }

    private Extraction(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus, IDisposable? model, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(corpus);
        config.Check();
        Check(config, source, corpus);
        (this.config, this.source, this.corpus, this.model) = (config, source, corpus, model);
        schedule = new ContextSchedule(config, corpus, cancellation);
        group = new(() => new GroupActivations(source, schedule.LargestGroup));
        calibration = new(() => Calibration.Run(source, schedule, config.Dtype, group.Value));
        plans = new(() => [.. source.Hooks.Select(hook => config.PlanFor(hook, source.Model, corpus, Outliers))]);
    }

    /// <summary>Which rows are going to be left out; null for none. Computes a few thousand rows where they are to be.</summary>
    internal OutlierPolicy? Outliers => config.ExcludeOutliers == 0 ? null : new(
        config.ExcludeOutliers,
        [.. source.Hooks.Select((hook, i) => new SiteNorm(hook.HookPoint, calibration.Value.MedianNorms[i], calibration.Value.MedianNorms[i] * config.ExcludeOutliers))]);

    internal ExtractionConfig Config => config;

    internal ActivationSource Source => source;

    internal ContextSchedule Schedule => schedule;

    internal ImmutableArray<StorePlan> StorePlans => plans.Value;

    /// <summary>Memory for the activations of one forward pass.</summary>
    internal GroupActivations Group => group.Value;

    /// <summary>Loads what the settings name.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="progress">Told of documents read.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">A setting, the model or the text is not as it must be.</exception>
    public static Extraction Open(ExtractionConfig config, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check();
        ImmutableArray<HookPoint> points = config.HookPoints();
        Transformer model = Transformer.Load(config.Model);
        model.ReportWarnings(progress);
        try
        {
            ActivationSource source = ActivationSource.Of(model, points, config.PerHead);
            TokenizedCorpus corpus = TokenizedCorpus.Load(config.CorpusOptions, Tokenizer.OfModel(config.Model), progress, cancellation);
            return new Extraction(config, source, corpus, model, cancellation);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>What the run is going to take, after a short calibration on this machine.</summary>
    /// <param name="folder">Where the stores are going to be; it need not exist.</param>
    public ExtractionPlan Plan(string folder) => ExtractionPlan.Of(this, corpus, calibration.Value, folder);

    /// <summary>Extracts.</summary>
    /// <param name="folder">Where the stores go: new, empty, or to be resumed.</param>
    /// <param name="resume">Whether to go on with what an interrupted run with the same settings left.</param>
    /// <param name="progress">Told of rows stored.</param>
    /// <param name="cancellation">Stops between two forward passes; whole shards are kept to resume from.</param>
    /// <returns>The manifest of each hook point's store, in the order of the settings.</returns>
    /// <exception cref="UserErrorException">The folder is not as it must be, or the disk is full or too small.</exception>
    public ImmutableArray<StoreManifest> Run(string folder, bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ExtractionPlan.RequireSpace(this, corpus, folder);
        using var stores = new HookStores(StorePlans, corpus.TokenTexts, folder, resume);
        if (stores.Finished) return stores.Complete();
        var reporter = new RowProgress(progress, stores.RowsOf(false) + stores.RowsOf(true), schedule.Rows, StorePlans);
        foreach (bool heldOut in new[] { false, true }) Run(heldOut, stores, reporter, cancellation);
        return stores.Complete();
    }

    /// <summary>Frees the model, if it was loaded here.</summary>
    public void Dispose()
    {
        if (model is null) return;
        model.Dispose();
        corpus.Documents.Dispose();
    }

    private void Run(bool heldOut, HookStores stores, RowProgress reporter, CancellationToken cancellation)
    {
        SplitSchedule split = schedule[heldOut ? StoreSplit.HeldOut : StoreSplit.Training];
        int number = split.GroupOf(stores.CandidatesOf(heldOut));
        foreach (KeptRows rows in split.From(number))
        {
            if (stores.RowsOf(heldOut) >= split.RowLimit) return;
            long first = split.FirstRow(number++);
            if (rows.Count == 0) continue;
            cancellation.ThrowIfCancellationRequested();
            Group.Compute(rows, StorePlans[0].Outliers);
            stores.Add(rows, Group.Values, Group.Outliers, heldOut, first, split.RowLimit);
            reporter.Report(stores.RowsOf(false) + stores.RowsOf(true), rows.Contexts.Sum(context => (long)context.Length));
        }
    }

    private static void Check(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus)
    {
        if (config.Context > source.MaxContext)
        {
            throw new UserErrorException($"context is {config.Context} tokens, but {source.Model.Name} reads at most {source.MaxContext}", $"set context to at most {source.MaxContext}");
        }
        if (corpus.Documents.HighestToken >= source.VocabularySize)
        {
            throw new UserErrorException($"the tokenizer gives token id {corpus.Documents.HighestToken}, but the vocabulary of {source.Model.Name} is 0..{source.VocabularySize - 1}", "use the tokenizer.json that belongs to the model");
        }
    }

    /// <summary>Tells of rows, tokens and bytes, their rates and what is left, a few times a second at most.</summary>
    private sealed class RowProgress(IProgress<ProgressReport>? progress, long from, long total, ImmutableArray<StorePlan> plans)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private readonly long bytesPerRow = plans.Sum(plan => (long)plan.Dtype.RowBytes(plan.DModel));
        private double last = double.NegativeInfinity;
        private long tokens;

        public void Report(long row, long read)
        {
            tokens += read;
            double now = clock.Elapsed.TotalSeconds, seconds = Math.Max(now, 1e-3);
            if (progress is null || (now - last < 0.1 && row < total)) return;
            last = now;
            double rate = (row - from) / seconds;
            string left = rate > 0 ? TimeSpan.FromSeconds(Math.Ceiling((total - row) / rate)).ToString("g") : "?";
            progress.Report(new ProgressReport("extract", row, total, "rows", $"{rate:N0} rows/s, {tokens / seconds:N0} tokens/s, {row * bytesPerRow / 1e6:N0} MB, {left} left"));
        }
    }
}
