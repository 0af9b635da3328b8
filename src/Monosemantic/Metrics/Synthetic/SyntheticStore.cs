using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>Synthetic data as an activation store that <c>train</c> reads like any other, with the truth in a folder inside.</summary>
public static class SyntheticStore
{
    /// <summary>The hook point that such a store names.</summary>
    public const string HookPoint = "synthetic";

    /// <summary>Samples that count as one document, the unit that is held out and resampled.</summary>
    public const int DocumentRows = 64;

    private const string TruthFolder = "truth";
    private const int RowsAtOnce = 4096, BytesPerShard = 64 << 20;

    // A store keeps the documents for training before those held out.
    private static readonly bool[] Splits = [false, true];

    /// <summary>Makes a store, streaming: memory does not grow with the number of rows.</summary>
    /// <param name="name">What the data is called.</param>
    /// <param name="config">The settings.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="folder">A new or empty folder.</param>
    /// <param name="dtype">How numbers are kept.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches; the folder is no store then.</param>
    /// <exception cref="UserErrorException">A setting makes no sense, or the folder cannot be used.</exception>
    public static StoreManifest Write(string name, SyntheticConfig config, long rows, string folder, StoreDtype dtype, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (rows is < 1 or > int.MaxValue) throw new UserErrorException($"rows is {rows}; it must be 1..{int.MaxValue:N0}", "1,000,000 is usual");
        config.Check("the settings");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
        SyntheticModel model = SyntheticModel.Create(config, progress, cancellation);
        StorePlan plan = Plan(name, config, rows, dtype);
        using ActivationWriter writer = ActivationWriter.Create(folder, plan);
        var sampler = new SyntheticSampler(model);
        float[] x = new float[RowsAtOnce * config.HiddenDim];
        long written = 0;
        foreach (int[] documents in Splits.SelectMany(heldOut => Documents(plan, heldOut).Chunk(RowsAtOnce / DocumentRows)))
        {
            cancellation.ThrowIfCancellationRequested();
            long[] samples = [.. documents.SelectMany(document => Enumerable.Range(0, DocumentRows).Select(position => SampleOf(document, position))).Where(sample => sample < rows)];
            sampler.Draw(samples, x);
            writer.Add(x.AsSpan(0, samples.Length * config.HiddenDim), [.. samples.Select(i => (int)(i / DocumentRows))], [.. samples.Select(i => (int)(i % DocumentRows))], new int[samples.Length]);
            written += samples.Length;
            progress?.Report(new("synth", written, rows, "rows"));
        }
        // The truth first: a store whose truth is missing would be taken for another.
        model.Save(Path.Combine(folder, TruthFolder));
        return writer.Complete();
    }

    /// <summary>The truth of a store; null where it holds none.</summary>
    /// <param name="store">The store's folder.</param>
    public static SyntheticModel? TruthOf(string store)
    {
        string folder = Path.Combine(store, TruthFolder);
        return SyntheticModel.IsIn(folder) ? SyntheticModel.Load(folder) : null;
    }

    /// <summary>Index of the sample that a row holds.</summary>
    internal static long SampleOf(int document, int position) => ((long)document * DocumentRows) + position;

    private static IEnumerable<int> Documents(StorePlan plan, bool heldOut) => Enumerable.Range(0, plan.Corpus.Documents).Where(document => plan.Split.IsHeldOut(document) == heldOut);

    private static StorePlan Plan(string name, SyntheticConfig config, long rows, StoreDtype dtype) => new()
    {
        HookPoint = HookPoint,
        DModel = config.HiddenDim,
        Dtype = dtype,
        RowsPerShard = Math.Max(DocumentRows, BytesPerShard / (config.HiddenDim * dtype.Element().Size) / DocumentRows * DocumentRows),
        Model = new(name, Hashing.OfText(JsonFile.ToText(config))),
        TokenizerSha256 = "",
        Corpus = new CorpusIdentity($"synthetic {name}", null, Hashing.OfText(JsonFile.ToText(config)), (int)((rows + DocumentRows - 1) / DocumentRows), 0),
        Tokens = new TokenPolicy { Context = DocumentRows, Bos = BosPolicy.Never, Pack = false, ExcludeInserted = true },
        Sampling = new SamplingPolicy { ShuffleDocuments = false, Seed = config.Seed, RowLimit = rows, Batch = RowsAtOnce },
        Split = new DocumentSplit(config.Seed, 0.05),
    };
}
