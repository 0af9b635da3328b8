using System.Collections.Immutable;
using System.CommandLine;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>The options that say what a dictionary is trained on.</summary>
internal sealed class TrainingSources
{
    private readonly Option<string[]> activations = new("--activations")
    {
        Description = "the activation store to train on; several, side by side, for a crosscoder",
        HelpName = "DIR",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string?> targets = new("--targets") { Description = "a store of the same tokens that is to be predicted: trains a transcoder", HelpName = "DIR" };
    private readonly Option<string?> extraction = new("--extract") { Description = "in place of a store, settings of an extraction (JSON): activations are computed as they are needed", HelpName = "FILE" };

    internal IEnumerable<Option> All => [activations, targets, extraction];

    /// <summary>Opens what the options name.</summary>
    internal OpenSources Open(ParseResult parsed, bool quiet, CancellationToken cancellation)
    {
        string[] folders = parsed.GetValue(activations) ?? [];
        string? live = parsed.GetValue(extraction), target = parsed.GetValue(targets);
        if ((folders.Length > 0) == (live is not null)) throw new UserErrorException(live is null ? "no activations are named" : "--activations and --extract exclude each other", "give --activations STORE, or --extract settings.json");
        if (target is not null && folders.Length != 1) throw new UserErrorException("--targets needs exactly one store with --activations", "train a transcoder on one store and one target");
        if (live is null) return new OpenSources([.. folders.Select(ActivationStore.Open)], target is null ? null : ActivationStore.Open(target), null, cancellation);
        var config = RunFile.Parse<ExtractionConfig>(RunFile.ReadObject(live), live);
        return new OpenSources([], null, Terminal.WithProgress(quiet, progress => LiveActivations.Open(config, progress, cancellation)), cancellation);
    }
}

/// <summary>Opened activations, as an input for any run's settings.</summary>
internal sealed class OpenSources(ImmutableArray<ActivationStore> stores, ActivationStore? targets, LiveActivations? live, CancellationToken cancellation) : IDisposable
{
    internal SaeTrainingInput Input(SaeTrainingConfig config)
    {
        if (live is not null) return StoreInput.From(live, config, cancellation);
        if (targets is not null) return StoreInput.Transcoder(stores[0], targets, config);
        return stores.Length == 1 ? StoreInput.From(stores[0], config) : StoreInput.Crosscoder(stores, config);
    }

    /// <summary>The store to evaluate on, if there is just one.</summary>
    internal ActivationStore? Single => stores.Length == 1 && targets is null ? stores[0] : null;

    public void Dispose()
    {
        foreach (ActivationStore store in stores) store.Dispose();
        targets?.Dispose();
        live?.Dispose();
    }
}
