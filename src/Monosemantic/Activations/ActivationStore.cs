using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Data.Analysis;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// A finished activation store, read-only. Shards are memory-mapped while they are read, so opening costs a look at the files'
/// sizes. Float32 rows in order are given out where they lie; shuffled reading holds 20 bytes for each row of its window, and maps
/// no more than two windows.
/// </summary>
public sealed class ActivationStore : IActivationRows, IDisposable
{
    private readonly ConcurrentDictionary<StoreSplit, IRowBlocks> blocks = [];
    private readonly Lazy<ImmutableArray<string>> tokenTexts;

    private ActivationStore(string folder, StoreManifest manifest)
    {
        Folder = folder;
        Manifest = manifest;
        Maps = new ShardMaps(shard => new MappedShard(Path.Combine(folder, manifest.Shards[shard].File), manifest.Plan, manifest.Shards[shard].Rows));
        tokenTexts = new(() => manifest.TokenTexts is null ? [] : TokenTextsFile.Read(Path.Combine(folder, manifest.TokenTexts.Name)));
    }

    /// <summary>The store's folder.</summary>
    public string Folder { get; }

    /// <summary>What the store holds.</summary>
    public StoreManifest Manifest { get; }

    /// <inheritdoc/>
    public StorePlan Plan => Manifest.Plan;

    /// <inheritdoc/>
    public int DModel => Manifest.Plan.DModel;

    /// <summary>The text of each token as it is shown, by its id; empty where the store does not know it.</summary>
    /// <exception cref="UserErrorException">The file cannot be read.</exception>
    public ImmutableArray<string> TokenTexts => tokenTexts.Value;

    /// <summary>The mapped shards.</summary>
    internal ShardMaps Maps { get; }

    /// <summary>SHA-256 of the manifest, which holds the checksum of every shard: it stands for the whole store.</summary>
    public string Sha256 => Hashing.OfFile(Path.Combine(Folder, StoreFolder.ManifestName));

    /// <summary>Refuses a dictionary that is of another model, or of another place in it, than this store.</summary>
    /// <param name="hookPoint">The dictionary's hook point; empty where it does not say.</param>
    /// <param name="dModel">The width it reads.</param>
    /// <param name="modelSha256">Hash of the model it was trained on; null where it does not say.</param>
    /// <param name="dictionary">What to call it in the error.</param>
    /// <exception cref="UserErrorException">Model, width or hook point differ.</exception>
    public void RequireSite(string hookPoint, int dModel, string? modelSha256, string dictionary)
    {
        // Imported activations may not say of which model they are.
        if (!string.IsNullOrEmpty(modelSha256) && Manifest.Plan.Model.Sha256.Length > 0 && modelSha256 != Manifest.Plan.Model.Sha256)
        {
            throw new UserErrorException($"{dictionary} was trained on another model than {Folder} was extracted from ({Manifest.Plan.Model.Name})", "give activations of the dictionary's own model");
        }
        if (dModel == DModel && (hookPoint.Length == 0 || hookPoint == Manifest.Plan.HookPoint)) return;
        throw new UserErrorException(
            $"{dictionary} is of {(hookPoint.Length == 0 ? "an unnamed place" : hookPoint)}, {dModel} wide; {Folder} holds {Manifest.Plan.HookPoint}, {DModel} wide",
            "give the activations that the dictionary was trained on, or others of the same hook point");
    }

    /// <summary>Refuses a store that does not say which token each row is of, or says another tokenizer's; looks at the first rows.</summary>
    /// <param name="vocabularySize">Token ids are below this.</param>
    /// <exception cref="UserErrorException">A token id is not known, or too high.</exception>
    public void RequireTokens(int vocabularySize)
    {
        RowOrigins first = ReadOrigins(new ShardRange(0, 0, Manifest.Shards[0].Blocks[0]));
        int bad = Array.FindIndex(first.Tokens, token => token < 0 || token >= vocabularySize);
        if (bad < 0) return;
        string what = first.Tokens[bad] < 0 ? $"does not say of which token its row {bad} is" : $"has token id {first.Tokens[bad]}, but the tokenizer's are 0..{vocabularySize - 1}";
        throw new UserErrorException($"{Folder} {what}", "import the activations with the ids of their tokens: --token-ids");
    }

    /// <summary>Opens a store and checks that every file is there in its right size.</summary>
    /// <param name="folder">The store's folder.</param>
    /// <exception cref="UserErrorException">It is missing, unfinished, from a newer version, or incomplete; the message names the shard.</exception>
    public static ActivationStore Open(string folder)
    {
        StoreManifest manifest = ReadManifest(folder);
        string[] problems = [.. FilesOf(manifest).AsParallel().AsOrdered().Select(file => file.ProblemIn(folder)).OfType<string>()];
        if (problems.Length == 0) return new ActivationStore(folder, manifest);
        string more = problems.Length > 3 ? $"; and {problems.Length - 3} more" : "";
        throw new UserErrorException($"the activation store {folder} is damaged: {string.Join("; ", problems.Take(3))}{more}", "copy the store again, or extract it again");
    }

    /// <summary>Compares every file with its checksum.</summary>
    /// <param name="folder">The store's folder.</param>
    /// <param name="progress">Told after every file.</param>
    /// <param name="cancellation">Stops between two files.</param>
    /// <returns>Every problem found, each naming its file; empty where the store is whole.</returns>
    /// <exception cref="UserErrorException">There is no manifest to compare with.</exception>
    public static IReadOnlyList<string> Verify(string folder, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        StoreManifest manifest = ReadManifest(folder);
        StoreFile[] files = [.. FilesOf(manifest)];
        var problems = new List<string>();
        for (int i = 0; i < files.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (files[i].ProblemIn(folder) is { } visible) problems.Add(visible);
            else if (Hashing.OfFile(Path.Combine(folder, files[i].Name)) != files[i].Sha256) problems.Add($"{files[i].Name} was changed: its SHA-256 is not that of the manifest");
            progress?.Report(new ProgressReport("verify", i + 1, files.Length, "files"));
        }
        return problems;
    }

    /// <summary>The stores of a folder: itself, or those that an extraction of several hook points made in it, in ordinal order.</summary>
    /// <param name="folder">The folder.</param>
    public static ImmutableArray<string> In(string folder) => StoreFolder.StoresIn(folder) is { Length: > 0 } stores ? [.. stores] : [folder];

    /// <inheritdoc/>
    public long RowCount(StoreSplit split) => split switch
    {
        StoreSplit.All => Manifest.Rows,
        StoreSplit.HeldOut => Manifest.HeldOutRows,
        _ => Manifest.Rows - Manifest.HeldOutRows,
    };

    /// <inheritdoc/>
    public IEnumerable<ActivationBatch> Read(int batch, StoreSplit split = StoreSplit.All) => RowStreams.Read(BlocksOf(split), DModel, batch);

    /// <inheritdoc/>
    public IEnumerable<ActivationBatch> Shuffled(int batch, int bufferRows, long seed, StoreSplit split = StoreSplit.All, long firstBatch = 0, long epochs = 0) =>
        RowStreams.Shuffled(BlocksOf(split), $"the {split} part of {Folder}", DModel, batch, bufferRows, seed, firstBatch, epochs);

    /// <summary>The same with a buffer of 256 MB on disk, but at least 16,384 and at most 262,144 rows; without end.</summary>
    /// <param name="batch">Rows in a batch.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="split">Which rows.</param>
    /// <param name="firstBatch">Number of the batch to begin with, from 0.</param>
    public IEnumerable<ActivationBatch> Shuffled(int batch, long seed, StoreSplit split, long firstBatch = 0) =>
        Shuffled(batch, RowStreams.DefaultBufferRows(Plan), seed, split, firstBatch);

    /// <summary>
    /// Some rows as a table, for notebooks: columns <c>document</c>, <c>position</c>, <c>token</c>, <c>text</c> (what the token
    /// reads like; missing where it is not known), <c>norm</c>, and the values <c>x0</c> to <c>x(d_model-1)</c>.
    /// </summary>
    /// <param name="rows">How many; at most as many as there are.</param>
    /// <param name="split">Of which rows.</param>
    /// <param name="seed">Seed to draw them at random with; null (the default) for the first ones.</param>
    /// <exception cref="UserErrorException">The number is not positive, or a file cannot be read.</exception>
    public DataFrame ToDataFrame(int rows = 1000, StoreSplit split = StoreSplit.All, long? seed = null) => RowTable.Of(this, rows, split, seed);

    /// <summary>One line: what the store holds.</summary>
    public override string ToString()
    {
        StorePlan plan = Manifest.Plan;
        return $"{Manifest.Rows:N0} rows x {plan.DModel} {plan.Dtype.ToString().ToLowerInvariant()} of {plan.HookPoint} in {plan.Model.Name} on {plan.Corpus.Source} ({Manifest.HeldOutRows:N0} held out, mean norm {Manifest.Statistics.MeanNorm:G4})";
    }

    /// <summary>Unmaps the shards; what a stream or a batch still uses goes with that.</summary>
    public void Dispose() => Maps.Dispose();

    /// <summary>Where consecutive rows of a shard come from.</summary>
    internal RowOrigins ReadOrigins(ShardRange rows)
    {
        StoreShard shard = Manifest.Shards[rows.Shard];
        return OriginsFile.Read(Path.Combine(Folder, shard.RowsFile), shard.Blocks, rows.First, rows.Count);
    }

    private IRowBlocks BlocksOf(StoreSplit split) => blocks.GetOrAdd(split, which => new StoredBlocks(this, which));

    private static IEnumerable<StoreFile> FilesOf(StoreManifest manifest) =>
        manifest.Shards.SelectMany(shard => shard.Files).Concat(manifest.TokenTexts is { } texts ? [texts] : []);

    private static StoreManifest ReadManifest(string folder)
    {
        string path = Path.Combine(folder, StoreFolder.ManifestName);
        return File.Exists(path) ? StoreManifest.Read(path) : throw StoreFolder.Unfinished(folder);
    }
}
