using Monosemantic.Activations.Foreign;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Activations;

/// <summary>
/// Makes a store of activations that something else computed. What lies in a file as it does in memory is read a part at a time, so
/// memory does not grow with the files; held-out documents come last in a store, so the files are gone through twice.
/// </summary>
public static class ActivationImport
{
    private const string Unnamed = "imported";

    /// <summary>Imports.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="folder">Where the store goes: new, empty, or to be resumed.</param>
    /// <param name="resume">Whether to go on with what an interrupted import with the same settings left.</param>
    /// <param name="progress">Told of rows.</param>
    /// <param name="cancellation">Stops between two parts.</param>
    /// <exception cref="UserErrorException">A setting, a file or the folder is not as it must be, or the disk is full or too small.</exception>
    public static StoreManifest Import(ImportConfig config, string folder, bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check();
        using var corpus = new ForeignCorpus(config);
        (ModelIdentity model, Tokenizer? tokenizer) = Load(config);
        StorePlan plan = PlanOf(config, corpus, model, tokenizer, cancellation);
        DiskSpace.Require(folder, ShardFile.Size(plan.Dtype, plan.DModel, corpus.Rows) - DiskSpace.Used(folder), "the store");
        using ActivationWriter? writer = ActivationWriter.OpenUnlessFinished(folder, plan, resume);
        if (writer is null) return StoreManifest.Read(Path.Combine(folder, StoreFolder.ManifestName));
        if (tokenizer is not null) writer.WriteTokenTexts(TokenTextsFile.TextsOf(tokenizer));
        long total = config.HeldOutFraction == 0 ? corpus.Rows : 2 * corpus.Rows;
        Copy(corpus, writer, false, tokenizer, rows => progress?.Report(new ProgressReport("import", rows, total, "rows read")), cancellation);
        if (config.HeldOutFraction > 0) Copy(corpus, writer, true, tokenizer, rows => progress?.Report(new ProgressReport("import", corpus.Rows + rows, total, "rows read")), cancellation);
        return writer.Complete();
    }

    private static void Copy(ForeignCorpus corpus, ActivationWriter writer, bool heldOut, Tokenizer? tokenizer, Action<long> report, CancellationToken cancellation)
    {
        long there = writer.RowsOf(heldOut), row = 0, read = 0;
        int width = corpus.Shape.DModel;
        float[] values = [];
        foreach (ForeignBlock block in corpus.Blocks())
        {
            cancellation.ThrowIfCancellationRequested();
            RequireTokens(block, tokenizer);
            int[] wanted = [.. Enumerable.Range(0, block.Documents.Length).Where(at => block.Kept[at] && writer.Plan.Split.IsHeldOut(block.Documents[at]) == heldOut && row++ >= there)];
            report(read += block.Documents.Length);
            if (wanted.Length == 0) continue;
            if (values.Length < width * block.Documents.Length) values = new float[width * block.Documents.Length];
            block.Values(values);
            for (int i = 0; i < wanted.Length; i++) values.AsSpan(wanted[i] * width, width).CopyTo(values.AsSpan(i * width));
            writer.Add(values.AsSpan(0, wanted.Length * width), [.. wanted.Select(at => block.Documents[at])], [.. wanted.Select(at => block.Positions[at])], [.. wanted.Select(at => block.Tokens[at])], heldOut);
        }
    }

    private static void RequireTokens(ForeignBlock block, Tokenizer? tokenizer)
    {
        if (tokenizer is null) return;
        int highest = block.Tokens.Max();
        if (highest >= tokenizer.VocabularySize) throw new UserErrorException($"the activations have token id {highest}, but the tokenizer's are 0..{tokenizer.VocabularySize - 1}", "give the tokenizer that belongs to the activations' model with --tokenizer");
    }

    private static (ModelIdentity Model, Tokenizer? Tokenizer) Load(ImportConfig config)
    {
        bool isThere = Path.Exists(config.Model);
        string? tokenizer = config.Tokenizer ?? (isThere ? config.Model : null);
        if (!isThere) return (new(config.Model, ""), tokenizer is null ? null : Tokenizer.Load(tokenizer));
        using Transformer model = Transformer.Load(config.Model);
        // A folder may hold the weights alone; a tokenizer that was asked for must be there.
        return (new(model.Name, model.Sha256), config.Tokenizer is null && !TokenizerFormats.AreIn(config.Model) ? null : Tokenizer.Load(tokenizer!));
    }

    private static StorePlan PlanOf(ImportConfig config, ForeignCorpus corpus, ModelIdentity model, Tokenizer? tokenizer, CancellationToken cancellation)
    {
        int documents = corpus.CountDocuments(cancellation);
        string[] files = [.. corpus.Paths, .. config.TokenIds.Concat(config.Documents).Concat(config.Positions).Concat(config.Mask).Where(File.Exists)];
        string[] hashes = [.. files.Select(Hashing.OfFile)];
        string name = Path.GetFileName(corpus.Paths[0]) + (corpus.Paths.Length > 1 ? $" and {corpus.Paths.Length - 1} more" : "");
        return new StorePlan
        {
            HookPoint = HookPoint.CanonicalName(config.Hook ?? corpus.Name) ?? config.Hook ?? Unnamed,
            DModel = corpus.Shape.DModel,
            Heads = corpus.Shape.Heads,
            Dtype = config.Dtype ?? corpus.Shape.Dtype,
            RowsPerShard = config.RowsPerShard,
            Model = model,
            TokenizerSha256 = tokenizer?.Sha256 ?? "",
            Corpus = new CorpusIdentity(name, null, hashes.Length == 1 ? hashes[0] : Hashing.OfText(string.Join("\n", hashes)), documents, 0),
            Tokens = new TokenPolicy { Context = corpus.DocumentLength ?? config.DocumentRows, Bos = BosPolicy.Never, Pack = false, ExcludeInserted = false },
            Sampling = new SamplingPolicy { ShuffleDocuments = false, Seed = 0, RowLimit = 0, Batch = 1 },
            Split = new DocumentSplit(config.SplitSeed, config.HeldOutFraction),
            Import = config.WithNames(),
        };
    }
}
