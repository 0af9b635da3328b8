using System.Collections.Immutable;
using Monosemantic.Runtime;

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
        using Extraction extraction = Extraction.Open(config, progress, cancellation);
        return extraction.Run(folder, resume, progress, cancellation);
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
        using var extraction = new Extraction(config, source, corpus, cancellation);
        return extraction.Run(folder, resume, progress, cancellation);
    }
}
