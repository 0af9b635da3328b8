using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Analysis;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>
/// What a scan found, as plain data in a folder: Parquet tables that any tool opens, and <c>index.json</c>, written last.
/// Nothing here needs libtorch. The same evidence gives the same bytes.
/// </summary>
/// <remarks>What every table and column means stands in <see cref="IndexSchema"/>; <see cref="FeatureDatabase"/> asks them in SQL.</remarks>
[TypeFormatterSource(typeof(RichDisplay))]
public sealed class FeatureIndex
{
    internal const int Version = 3;
    internal const string ManifestName = "index.json";
    private readonly string folder;

    private FeatureIndex(string folder, FeatureIndexManifest manifest)
    {
        this.folder = folder;
        Card = manifest.Run;
        FeatureSummary = manifest.Features;
        NeuronSummary = manifest.Neurons;
        Tables = manifest.Tables;
        (Features, Neurons, Vocabulary) = IndexReader.Read(folder);
    }

    /// <summary>What was scanned and with what.</summary>
    public FeatureIndexCard Card { get; }

    /// <summary>The features in a few numbers.</summary>
    public UnitSummary FeatureSummary { get; }

    /// <summary>The neurons in a few numbers.</summary>
    public UnitSummary NeuronSummary { get; }

    /// <summary>The tables with their hashes.</summary>
    public ImmutableArray<IndexTable> Tables { get; }

    /// <summary>Evidence of every feature, by index.</summary>
    public ImmutableArray<UnitEvidence> Features { get; }

    /// <summary>Evidence of every neuron, by index; empty where none were scanned.</summary>
    public ImmutableArray<UnitEvidence> Neurons { get; }

    /// <summary>Display form of token ids.</summary>
    public ImmutableSortedDictionary<int, string> Vocabulary { get; }

    /// <summary>SHA-256 of <c>index.json</c>, which holds the hashes of everything else.</summary>
    public string Sha256 => Hashing.OfFile(Path.Combine(folder, ManifestName));

    /// <summary>Display form of a token; its number in brackets where the index has none.</summary>
    /// <param name="token">Token id.</param>
    public string TokenText(int token) =>
        TextOf(token, Vocabulary);

    /// <summary>One feature.</summary>
    /// <param name="feature">Its index.</param>
    /// <exception cref="UserErrorException">There is no such feature.</exception>
    public FeatureView Feature(int feature) => View(Features, "feature", feature);

    /// <summary>One neuron.</summary>
    /// <param name="neuron">Its index.</param>
    /// <exception cref="UserErrorException">There is no such neuron.</exception>
    public FeatureView Neuron(int neuron) => View(Neurons, "neuron", neuron);

    internal static string TextOf(int token, ImmutableSortedDictionary<int, string> vocabulary) =>
        vocabulary.TryGetValue(token, out string? text) ? text : $"[{token.ToString(CultureInfo.InvariantCulture)}]";

    /// <summary>One row per feature: its numbers and the first tokens that fire it.</summary>
    public DataFrame ToDataFrame() => FeatureFrames.Of(Features, "feature", TokenText);

    /// <summary>The same for the neurons.</summary>
    public DataFrame NeuronsToDataFrame() => FeatureFrames.Of(Neurons, "neuron", TokenText);

    /// <summary>Answers a question in SQL over the tables of <see cref="IndexSchema"/>.</summary>
    /// <param name="sql">One statement that reads.</param>
    /// <exception cref="UserErrorException">It is not SQL, names something that is not there, or would write.</exception>
    public DataFrame Query(string sql)
    {
        using var database = FeatureDatabase.Open(folder);
        return database.Query(sql).ToDataFrame();
    }

    /// <summary>Whether a folder holds a finished index.</summary>
    /// <param name="folder">The folder.</param>
    public static bool IsFinished(string folder) => File.Exists(Path.Combine(folder, ManifestName));

    /// <summary>Writes an index, replacing one that is there; the folder counts as unfinished until all of it is written.</summary>
    /// <param name="folder">The folder; made if it is not there.</param>
    /// <param name="card">What was scanned and with what.</param>
    /// <param name="features">Evidence of every feature.</param>
    /// <param name="neurons">Evidence of every neuron; may be empty.</param>
    /// <param name="vocabulary">Display form of at least the token ids in the evidence. Halves of surrogate pairs become U+FFFD.</param>
    /// <exception cref="UserErrorException">The folder cannot be written.</exception>
    public static void Write(
        string folder,
        FeatureIndexCard card,
        ImmutableArray<UnitEvidence> features,
        ImmutableArray<UnitEvidence> neurons,
        IEnumerable<KeyValuePair<int, string>> vocabulary)
    {
        using var writer = IndexWriter.Begin(folder, features, neurons, vocabulary);
        writer.Add(features.Concat(neurons));
        writer.Finish(card);
    }

    /// <summary>Opens an index and reads all of it.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="UserErrorException">It is missing, unfinished, of another version, or a table is not the one that was written.</exception>
    public static FeatureIndex Open(string folder)
    {
        FeatureIndexManifest manifest = ReadManifest(folder);
        foreach (IndexTable table in manifest.Tables) Verify(folder, table);
        return new(folder, manifest);
    }

    /// <summary>Reads what an index holds, and checks that it is finished and of this version, but not its tables.</summary>
    internal static FeatureIndexManifest ReadManifest(string folder)
    {
        string path = Path.Combine(folder, ManifestName);
        if (!File.Exists(path)) throw new UserErrorException($"{folder} holds no finished feature index: there is no {ManifestName}", "give the folder that `scan` wrote, or scan again");
        int version = JsonFile.Read<JsonElement>(path) is { ValueKind: JsonValueKind.Object } probe && probe.TryGetProperty("version", out JsonElement value) && value.TryGetInt32(out int number) ? number : 0;
        if (version != Version) throw new UserErrorException($"{path} is of version {version}; this tool reads version {Version}", "scan again with this version");
        FeatureIndexManifest manifest = JsonFile.Read<FeatureIndexManifest>(path);
        foreach (string name in IndexTables.Names.Except(manifest.Tables.Select(table => table.Name)))
        {
            throw new UserErrorException($"{path} names no table {name}", "the index was edited; scan again");
        }
        return manifest;
    }

    private FeatureView View(ImmutableArray<UnitEvidence> units, string kind, int unit) => (uint)unit < (uint)units.Length
        ? new(this, units[unit])
        : throw new UserErrorException($"there is no {kind} {unit}", units.IsEmpty ? $"the index holds no {kind}" : $"{kind}s are 0..{units.Length - 1}");

    private static void Verify(string folder, IndexTable table)
    {
        string path = Path.Combine(folder, table.Name);
        if (Path.GetFileName(table.Name) != table.Name || !File.Exists(path)) throw new UserErrorException($"{path} is missing", "the index is not whole; scan again");
        if (Hashing.OfFile(path) != table.Sha256) throw new UserErrorException($"{path} is not the table that was written: its SHA-256 is not {table.Sha256}", "it was cut or changed; scan again");
    }
}
