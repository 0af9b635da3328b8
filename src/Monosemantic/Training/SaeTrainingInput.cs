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

    /// <summary>What a transcoder is to predict, batch by batch beside <see cref="BatchesFrom"/>; null where inputs are reconstructed.</summary>
    public Func<long, IEnumerable<ActivationBatch>>? TargetsFrom { get; init; }

    /// <summary>Width of a transcoder's targets; null where inputs are reconstructed.</summary>
    public int? DOut { get; init; }

    /// <summary>Mean length of a transcoder's targets, for scaling.</summary>
    public double? TargetMeanNorm { get; init; }

    /// <summary>Hook point of a transcoder's targets; null where inputs are reconstructed.</summary>
    public string? HookPointOut { get; init; }

    /// <summary>Sites whose activations stand side by side in a row, for a crosscoder; 1 otherwise.</summary>
    public int Sites { get; init; } = 1;

    /// <summary>Hook point of the activations, in the TransformerLens spelling; empty where unknown.</summary>
    public string HookPoint { get; init; } = "";

    /// <summary>SHA-256 of the model's weights, for the provenance.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>SHA-256 of the activation store's manifest, for the provenance.</summary>
    public string? StoreSha256 { get; init; }
}
