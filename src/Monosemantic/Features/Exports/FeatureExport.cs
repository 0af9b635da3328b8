using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Features.Exports;

/// <summary>
/// How another tool takes in what is known of features: one file here for each. An export reads a finished index and adds
/// nothing to it; what the other tool has a place for and an index does not hold stays empty. README.md beside this file says
/// where every number comes from.
/// </summary>
public abstract class FeatureExport
{
    private protected FeatureExport() { }

    /// <summary>The exports there are.</summary>
    public static ImmutableArray<FeatureExport> All { get; } = [new NeuronpediaExport(), new SaeDashboardExport()];

    /// <summary>Name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Whose it is and what it is for, in one line.</summary>
    public abstract string Summary { get; }

    /// <summary>The files that are written.</summary>
    public abstract string Layout { get; }

    /// <summary>Finds an export by name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="UserErrorException">There is none of that name.</exception>
    public static FeatureExport Of(string name) => All.FirstOrDefault(export => export.Name == name) ?? throw new UserErrorException(
        $"the export is \"{name}\"; it must be one of {string.Join(", ", All.Select(export => export.Name))}", Suggestion.Nearest(name, All.Select(export => export.Name)) is { } near ? $"did you mean {near}?" : "see `monosemantic list exports`");

    /// <summary>Writes the features of an index for another tool, whole or not at all. The same index and options give the same bytes.</summary>
    /// <param name="index">Folder of the index.</param>
    /// <param name="to">Name of the export.</param>
    /// <param name="folder">New or empty folder for the files.</param>
    /// <param name="options">What the index does not say.</param>
    /// <exception cref="UserErrorException">The index or an option is not sound, or the folder is in use.</exception>
    public static FeatureExportResult Run(string index, string to, string folder, FeatureExportOptions? options = null)
    {
        FeatureExport export = Of(to);
        if (File.Exists(folder)) throw new UserErrorException($"{folder} is a file", "choose an empty or new folder with --out");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
        using var source = FeatureExportSource.Open(index, options ?? new());
        string whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), temporary = $"{whole}.{Environment.ProcessId}.tmp";
        try
        {
            AtomicFile.MakeFolder(temporary);
            long rows = export.Write(source, temporary);
            if (Directory.Exists(whole)) Directory.Delete(whole);
            Directory.Move(temporary, whole);
            return new()
            {
                Export = export.Name,
                Folder = folder,
                ModelId = source.ModelId,
                SourceId = source.SourceId,
                Features = source.Exported.Length,
                Skipped = source.Skipped.Length,
                Activations = rows,
                Files = [.. Directory.EnumerateFiles(whole, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(whole, file).Replace('\\', '/')).Order(StringComparer.Ordinal)],
            };
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, folder) is { } explained)
        {
            throw explained;
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>Writes the files.</summary>
    /// <returns>Contexts written.</returns>
    internal abstract long Write(FeatureExportSource source, string folder);
}

/// <summary>What an export says that an index does not.</summary>
public sealed record FeatureExportOptions
{
    /// <summary>Id of the model in the other tool; null for the name of the model in the index.</summary>
    public string? ModelId { get; init; }

    /// <summary>Name of the set of dictionaries, such as <c>res-jb</c>; null for one made of the hook point and the number of features.</summary>
    public string? SourceSet { get; init; }

    /// <summary>Name of the release; null for the source set's.</summary>
    public string? Release { get; init; }

    /// <summary>Who made the dictionary, to be shown.</summary>
    public string Creator { get; init; } = "";

    /// <summary>Id of the account that rows belong to. The default is the one that Neuronpedia's own scripts fall back to.</summary>
    public string CreatorId { get; init; } = "clkht01d40000jv08hvalcvly";

    /// <summary>Time that rows carry, as ISO 8601. Fixed, so that the same index gives the same bytes.</summary>
    public string Date { get; init; } = "1970-01-01T00:00:00";

    /// <summary>Smallest share of scanned positions at which a feature must fire to be exported; at least one firing is needed.</summary>
    public double MinDensity { get; init; } = 1e-6;

    /// <summary>The dictionary that was scanned: with it, decoder vectors and their largest entries go along. Null to leave them out.</summary>
    public string? Sae { get; init; }
}

/// <summary>What was exported.</summary>
public sealed record FeatureExportResult
{
    /// <summary>Name of the export.</summary>
    public required string Export { get; init; }

    /// <summary>Where the files are.</summary>
    public required string Folder { get; init; }

    /// <summary>Id of the model.</summary>
    public required string ModelId { get; init; }

    /// <summary>Id of the dictionary: the layer and the source set.</summary>
    public required string SourceId { get; init; }

    /// <summary>Features written.</summary>
    public required int Features { get; init; }

    /// <summary>Features left out because they fire too rarely.</summary>
    public required int Skipped { get; init; }

    /// <summary>Contexts written.</summary>
    public required long Activations { get; init; }

    /// <summary>Paths of the files within the folder.</summary>
    public required ImmutableArray<string> Files { get; init; }
}
