using Monosemantic.Activations;

namespace Monosemantic.Training;

/// <summary>
/// What a trainer reads: an endless, repeatable stream of batches and what is known about them. Independent of where the
/// activations come from.
/// </summary>
public sealed record SaeTrainingInput
{
    /// <summary>Width of the activations, d_model.</summary>
    public required int DModel { get; init; }

    /// <summary>
    /// The stream from a batch number on, counted from 0. It must give the same batches each time it is asked, each of exactly
    /// the config's batch size but possibly fewer at an epoch's end; that is what makes a resumed run equal to an uninterrupted one.
    /// </summary>
    public required Func<long, IEnumerable<ActivationBatch>> BatchesFrom { get; init; }

    /// <summary>Mean length of a training activation, as a store records it; needed for scaling, else null.</summary>
    public double? MeanNorm { get; init; }

    /// <summary>Hook point of the activations, in the TransformerLens spelling; empty where unknown.</summary>
    public string HookPoint { get; init; } = "";

    /// <summary>SHA-256 of the model's weights, for the provenance.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>SHA-256 of the activation store's manifest, for the provenance.</summary>
    public string? StoreSha256 { get; init; }
}
