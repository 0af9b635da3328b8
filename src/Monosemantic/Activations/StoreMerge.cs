using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>
/// Puts stores of the same hook point of the same model together: first all training rows, then all held-out ones. Every row keeps
/// the split that it had. Documents are numbered through, but for stores of the same text, which keep the numbers they share.
/// </summary>
public static class StoreMerge
{
    private const int RowsAtOnce = 4096;

    /// <summary>Writes one store from several.</summary>
    /// <param name="folders">The stores, at least two, in the order in which their rows are to stand.</param>
    /// <param name="output">Where the new one goes: new, empty, or to be resumed.</param>
    /// <param name="resume">Whether to go on with what an interrupted run with the same stores left.</param>
    /// <param name="progress">Told of rows.</param>
    /// <param name="cancellation">Stops between two blocks.</param>
    /// <exception cref="UserErrorException">The stores do not belong together (the message names the keys), or the folder is not as it must be.</exception>
    public static StoreManifest Merge(IReadOnlyList<string> folders, string output, bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(folders);
        if (folders.Count < 2) throw new UserErrorException($"{folders.Count} store is given; merging takes at least two", "name the folders of the stores, then --out");
        var stores = new List<ActivationStore>();
        try
        {
            foreach (string folder in folders) stores.Add(ActivationStore.Open(folder));
            StorePlan plan = PlanOf(stores);
            using ActivationWriter? writer = ActivationWriter.OpenUnlessFinished(output, plan, resume, ownBlocks: true);
            if (writer is null) return StoreManifest.Read(Path.Combine(output, StoreFolder.ManifestName));
            if (stores.Select(store => store.TokenTexts).FirstOrDefault(texts => !texts.IsEmpty) is { IsDefault: false } texts) writer.WriteTokenTexts(texts);
            long total = stores.Sum(store => store.Manifest.Rows);
            foreach (bool heldOut in new[] { false, true }) Copy(stores, plan, writer, heldOut, rows => progress?.Report(new ProgressReport("merge", rows, total, "rows")), cancellation);
            return writer.Complete();
        }
        finally
        {
            foreach (ActivationStore store in stores) store.Dispose();
        }
    }

    private static void Copy(List<ActivationStore> stores, StorePlan plan, ActivationWriter writer, bool heldOut, Action<long> report, CancellationToken cancellation)
    {
        long there = writer.RowsOf(heldOut), row = 0;
        for (int i = 0; i < stores.Count; i++)
        {
            int firstDocument = plan.Merged!.Value[i].FirstDocument;
            foreach (ShardRange block in BlocksOf(stores[i], heldOut))
            {
                cancellation.ThrowIfCancellationRequested();
                int skip = (int)Math.Clamp(there - row, 0, block.Count);
                row += block.Count;
                if (skip == block.Count) continue;
                Copy(stores[i], block with { First = block.First + skip, Count = block.Count - skip }, firstDocument, writer, heldOut);
                writer.EndBlock();
                report(writer.Rows);
            }
        }
    }

    private static void Copy(ActivationStore store, ShardRange block, int firstDocument, ActivationWriter writer, bool heldOut)
    {
        RowOrigins origins = store.ReadOrigins(block);
        for (int i = 0; i < origins.Documents.Length; i++) origins.Documents[i] = checked(origins.Documents[i] + firstDocument);
        float[] values = new float[Math.Min(block.Count, RowsAtOnce) * store.DModel];
        MappedShard shard = store.Maps.Take(block.Shard);
        try
        {
            for (int done = 0, count; done < block.Count; done += count)
            {
                count = Math.Min(block.Count - done, RowsAtOnce);
                Span<float> rows = values.AsSpan(0, count * store.DModel);
                shard.CopyRows(block.First + done, rows);
                writer.Add(rows, origins.Documents.AsSpan(done, count), origins.Positions.AsSpan(done, count), origins.Tokens.AsSpan(done, count), heldOut);
            }
            shard.Release(block.First, block.Count);
        }
        finally
        {
            store.Maps.Return(block.Shard);
        }
    }

    private static IEnumerable<ShardRange> BlocksOf(ActivationStore store, bool heldOut)
    {
        for (int shard = 0; shard < store.Manifest.Shards.Length; shard++)
        {
            StoreShard entry = store.Manifest.Shards[shard];
            if (entry.HeldOut != heldOut) continue;
            int first = 0;
            foreach (int rows in entry.Blocks)
            {
                yield return new ShardRange(shard, first, rows);
                first += rows;
            }
        }
    }

    private static StorePlan PlanOf(List<ActivationStore> stores)
    {
        StorePlan first = stores[0].Plan;
        foreach (ActivationStore store in stores.Skip(1))
        {
            IReadOnlyList<string> differences = WithoutText(first).Differences(WithoutText(store.Plan));
            if (differences.Count > 0) throw new UserErrorException($"{stores[0].Folder} and {store.Folder} cannot become one store; they differ in {string.Join("; ", differences)}", "extract them from the same hook point of the same model with the same settings");
        }
        ImmutableArray<MergedStore> parts = PartsOf(stores);
        bool oneText = parts.All(part => part.FirstDocument == 0);
        return first with
        {
            Corpus = oneText ? first.Corpus : Together(parts),
            Extraction = null,
            Import = null,
            Outliers = null,
            Merged = parts,
            CodeVersion = Runtime.CodeVersion.Current,
        };
    }

    private static ImmutableArray<MergedStore> PartsOf(List<ActivationStore> stores)
    {
        var firstDocuments = new Dictionary<string, int>();
        int documents = 0;
        foreach (CorpusIdentity corpus in stores.Select(store => store.Plan.Corpus))
        {
            if (firstDocuments.TryAdd(corpus.Sha256, documents)) documents = checked(documents + corpus.Documents);
        }
        return [.. stores.Select(store => new MergedStore(store.Sha256, store.Plan.Corpus, firstDocuments[store.Plan.Corpus.Sha256]))];
    }

    private static CorpusIdentity Together(ImmutableArray<MergedStore> parts)
    {
        CorpusIdentity[] texts = [.. parts.Select(part => part.Corpus).DistinctBy(corpus => corpus.Sha256)];
        return new(string.Join(" + ", texts.Select(text => text.Source)), null, Hashing.OfText(string.Join("\n", texts.Select(text => text.Sha256))), texts.Sum(text => text.Documents), texts.Sum(text => text.Characters));
    }

    // What may differ between the parts: which text and how much of it, and how it was cut into shards.
    private static StorePlan WithoutText(StorePlan plan) => plan with
    {
        Corpus = new("", null, "", 0, 0),
        Sampling = plan.Sampling with { Seed = 0, RowLimit = 0, ShuffleDocuments = false, Batch = 0 },
        Extraction = null,
        Import = null,
        Outliers = null,
        Merged = null,
        RowsPerShard = 1,
        CodeVersion = "",
    };
}
