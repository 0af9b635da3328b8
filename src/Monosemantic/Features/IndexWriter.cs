using System.Collections.Concurrent;
using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>
/// Writes an index while it is still being measured what the units are worth: first the tables in which that does not stand,
/// and the contexts as the units come. The folder counts as unfinished until the end.
/// </summary>
internal sealed class IndexWriter : IDisposable
{
    private readonly string folder;
    private readonly IndexTables tables;
    private readonly BlockingCollection<UnitEvidence> coming = [];
    private readonly List<UnitEvidence> units = [];
    private readonly Aside<IndexTable[]> settled;
    private readonly Aside<IndexTable> contexts;

    private IndexWriter(string folder, IndexTables tables, ImmutableArray<UnitEvidence> features, ImmutableArray<UnitEvidence> neurons)
    {
        (this.folder, this.tables) = (folder, tables);
        settled = new(() => tables.WriteSettled(features, neurons));
        contexts = new(() => tables.WriteContexts(coming.GetConsumingEnumerable()));
    }

    /// <summary>Begins with the tables in which neither what a unit is worth nor its scores stand.</summary>
    /// <param name="folder">The folder; made if it is not there.</param>
    /// <param name="features">Evidence of every feature.</param>
    /// <param name="neurons">Evidence of every neuron; may be empty.</param>
    /// <param name="vocabulary">Display form of at least the token ids in the evidence.</param>
    /// <exception cref="UserErrorException">The folder cannot be written.</exception>
    internal static IndexWriter Begin(string folder, ImmutableArray<UnitEvidence> features, ImmutableArray<UnitEvidence> neurons, IEnumerable<KeyValuePair<int, string>> vocabulary)
    {
        string manifest = Path.Combine(folder, FeatureIndex.ManifestName);
        try
        {
            Directory.CreateDirectory(folder);
            File.Delete(manifest);
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, manifest) is { } explained)
        {
            throw explained;
        }
        return new(folder, new(folder, vocabulary), features, neurons);
    }

    /// <summary>Takes the same units with all that is known of them, features first, each kind by index.</summary>
    internal void Add(IEnumerable<UnitEvidence> measured)
    {
        foreach (UnitEvidence unit in measured)
        {
            units.Add(unit);
            coming.Add(unit);
        }
    }

    /// <summary>Writes what is left and, last, what tells that the index is whole.</summary>
    /// <param name="card">What was scanned and with what.</param>
    /// <exception cref="UserErrorException">The folder cannot be written.</exception>
    internal void Finish(FeatureIndexCard card)
    {
        coming.CompleteAdding();
        IEnumerable<IndexTable> written = [.. tables.WriteUnits(card, units), .. settled.Result, contexts.Result];
        JsonFile.Write(Path.Combine(folder, FeatureIndex.ManifestName), new FeatureIndexManifest
        {
            Version = FeatureIndex.Version,
            Run = card,
            Features = UnitSummary.Of([.. units.Where(unit => unit.Kind == UnitKind.Feature)]),
            Neurons = UnitSummary.Of([.. units.Where(unit => unit.Kind == UnitKind.Neuron)]),
            Tables = [.. written.OrderBy(table => IndexTables.Names.IndexOf(table.Name))],
        });
    }

    /// <summary>Waits for what is being written.</summary>
    public void Dispose()
    {
        coming.CompleteAdding();
        settled.Dispose();
        contexts.Dispose();
        coming.Dispose();
    }
}
