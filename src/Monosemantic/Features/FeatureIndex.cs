using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>
/// What a scan found, as plain data in a folder: Parquet tables that any tool opens, and <c>index.json</c>, written last.
/// Nothing here needs libtorch. The same evidence gives the same bytes.
/// </summary>
/// <remarks>
/// <para>Tables (<c>kind</c> is <c>feature</c> or <c>neuron</c>; <c>unit</c> is the index; ranks count from 0):</para>
/// <list type="bullet">
/// <item><c>features.parquet</c>, one row per feature: feature, firings (rows at which it fires), density (share of rows),
/// mean and max (activation over its firings; 0 if none), token_entropy (bits; null if it never fires), histogram_low and
/// histogram_high (log10 of the outer edges), histogram_bins (their number).</item>
/// <item><c>neurons.parquet</c>: the same with neuron in place of feature.</item>
/// <item><c>histograms.parquet</c>: kind, unit, bin, count (firings in the bin); empty bins are left out.</item>
/// <item><c>tokens.parquet</c>, tokens that fire a unit, most of its total activation first: kind, unit, rank, token, count
/// (rows holding the token at which it fires), occurrences (rows holding the token), mean, max.</item>
/// <item><c>contexts.parquet</c>, one row per context, strongest first: kind, unit, rank, document, start (position of its
/// first token in the document), peak (which of its tokens brought it here, from 0), length, and two lists of that length:
/// tokens, activations (0 where it does not fire).</item>
/// <item><c>logits.parquet</c>: kind, unit, promoted (raised or lowered), rank, token, logit (effect per unit of activation).</item>
/// <item><c>vocabulary.parquet</c>: token, text (display form).</item>
/// </list>
/// </remarks>
public sealed class FeatureIndex
{
    private const int Version = 1;
    private const string ManifestName = "index.json";
    private readonly string folder;

    private FeatureIndex(string folder, FeatureIndexManifest manifest, IndexTables tables)
    {
        this.folder = folder;
        Card = manifest.Run;
        FeatureSummary = manifest.Features;
        NeuronSummary = manifest.Neurons;
        Tables = manifest.Tables;
        Features = tables.Features;
        Neurons = tables.Neurons;
        Vocabulary = tables.Vocabulary;
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
        Vocabulary.TryGetValue(token, out string? text) ? text : $"[{token.ToString(CultureInfo.InvariantCulture)}]";

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
        string manifest = Path.Combine(folder, ManifestName);
        try
        {
            Directory.CreateDirectory(folder);
            File.Delete(manifest);
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, manifest) is { } explained)
        {
            throw explained;
        }
        ImmutableArray<IndexTable> tables = IndexTables.Write(folder, new(features, neurons, vocabulary.ToImmutableSortedDictionary()));
        JsonFile.Write(manifest, new FeatureIndexManifest
        {
            Version = Version,
            Run = card,
            Features = UnitSummary.Of(features),
            Neurons = UnitSummary.Of(neurons),
            Tables = tables,
        });
    }

    /// <summary>Opens an index and reads all of it.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="UserErrorException">It is missing, unfinished, of another version, or a table is not the one that was written.</exception>
    public static FeatureIndex Open(string folder)
    {
        string path = Path.Combine(folder, ManifestName);
        if (!File.Exists(path)) throw new UserErrorException($"{folder} holds no finished feature index: there is no {ManifestName}", "give the folder that `scan` wrote, or scan again");
        FeatureIndexManifest manifest = JsonFile.Read<FeatureIndexManifest>(path);
        if (manifest.Version != Version) throw new UserErrorException($"{path} is of version {manifest.Version}; this tool reads version {Version}", "scan again with this version");
        foreach (IndexTable table in manifest.Tables) Verify(folder, table);
        foreach (string name in IndexTables.Names.Except(manifest.Tables.Select(table => table.Name)))
        {
            throw new UserErrorException($"{path} names no table {name}", "the index was edited; scan again");
        }
        return new(folder, manifest, IndexTables.Read(folder));
    }

    private static void Verify(string folder, IndexTable table)
    {
        string path = Path.Combine(folder, table.Name);
        if (Path.GetFileName(table.Name) != table.Name || !File.Exists(path)) throw new UserErrorException($"{path} is missing", "the index is not whole; scan again");
        if (Hashing.OfFile(path) != table.Sha256) throw new UserErrorException($"{path} is not the table that was written: its SHA-256 is not {table.Sha256}", "it was cut or changed; scan again");
    }
}
