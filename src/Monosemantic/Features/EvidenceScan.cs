using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Models;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Features;

/// <summary>What a scan of one dictionary found.</summary>
/// <param name="Rows">Rows scanned, inserted tokens left out.</param>
/// <param name="Features">Evidence of every feature, by index.</param>
/// <param name="Neurons">Evidence of every neuron, by index; empty where none were asked for.</param>
/// <param name="Tokens">Token ids that occur, ascending.</param>
/// <param name="PrunedUnits">Features and neurons with more tokens than memory was granted for.</param>
/// <param name="ActiveFeatures">Rows by the number of features that fire there: entry i counts the rows with i of them.</param>
public sealed record EvidenceResult(
    long Rows, ImmutableArray<UnitEvidence> Features, ImmutableArray<UnitEvidence> Neurons, ImmutableArray<int> Tokens, int PrunedUnits, ImmutableArray<long> ActiveFeatures);

/// <summary>The scan of a dictionary's features and, in the same pass, of the raw neurons beside them.</summary>
public static class EvidenceScan
{
    /// <summary>Reads the activations once, in file order.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="neurons">The raw neurons; null for none.</param>
    /// <param name="batches">Activations in file order.</param>
    /// <param name="featureLogits">Logit effects of each feature; null for none.</param>
    /// <param name="neuronLogits">Logit effects of each neuron; null for none.</param>
    /// <param name="options">How much to keep; null for the defaults.</param>
    /// <param name="total">Rows to expect, for the progress bar; 0 if unknown.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="checkpoint">Where the state is kept while scanning, and gone on from; null for nowhere.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">There is no row, a width does not fit, or an activation is not finite.</exception>
    public static EvidenceResult Run(
        SparseAutoencoder sae,
        NeuronBasis? neurons,
        IEnumerable<ActivationBatch> batches,
        IReadOnlyList<UnitLogits>? featureLogits = null,
        IReadOnlyList<UnitLogits>? neuronLogits = null,
        FeatureScanOptions? options = null,
        long total = 0,
        IProgress<ProgressReport>? progress = null,
        ScanCheckpoint? checkpoint = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sae);
        ArgumentNullException.ThrowIfNull(batches);
        return Run(sae, neurons, batches, () => (featureLogits, neuronLogits), options ?? new(), total, progress, checkpoint, cancellation);
    }

    /// <summary>The same, where the logit effects are asked for when all activations are read.</summary>
    internal static EvidenceResult Run(
        SparseAutoencoder sae,
        NeuronBasis? neurons,
        IEnumerable<ActivationBatch> batches,
        Func<(IReadOnlyList<UnitLogits>? OfFeatures, IReadOnlyList<UnitLogits>? OfNeurons)> logits,
        FeatureScanOptions options,
        long total,
        IProgress<ProgressReport>? progress,
        ScanCheckpoint? checkpoint,
        CancellationToken cancellation)
    {
        var pass = new EvidencePass(sae, neurons, options);
        long skip = checkpoint?.Load(pass) ?? 0, done = 0;
        foreach (ActivationBatch batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            done += batch.Rows;
            if (done <= skip) continue;
            pass.Add(batch);
            checkpoint?.SaveIfDue(pass, done);
            progress?.Report(new("scan", done, total, "rows"));
        }
        var (ofFeatures, ofNeurons) = logits();
        return pass.Finish(ofFeatures, ofNeurons);
    }

    /// <summary>Logit effects of units of a hook point.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">The hook point that the units live at.</param>
    /// <param name="units">Their directions there [n, width], such as W_dec; null for the neurons themselves.</param>
    /// <param name="count">Tokens to keep on either side.</param>
    /// <returns>One for each unit, or null where the hook point neither is nor feeds linearly into the residual stream.</returns>
    public static IReadOnlyList<UnitLogits>? Logits(Transformer model, HookPoint at, torch.Tensor? units, int count = 10)
    {
        using var scope = torch.NewDisposeScope();
        return ResidualDirections(model, at, units) is { } directions
            ? LogitEffects.Of(directions, model.Weights.Unembedding, model.FinalGain(), centred: model.Config.Norm == NormKind.Layer, count)
            : null;
    }

    // [n, d_model]: what the units write to the residual stream.
    private static torch.Tensor? ResidualDirections(Transformer model, HookPoint at, torch.Tensor? units)
    {
        torch.Tensor Through(torch.Tensor output) => units is null ? output : units.mm(output);
        return at.Site switch
        {
            HookSite.MlpPost => Through(model.Weights.Blocks[at.Layer].MlpOut.Weight),
            HookSite.AttnZ => Through(model.Weights.Blocks[at.Layer].AttentionOutput.Weight),
            HookSite.Embed or HookSite.PosEmbed or HookSite.ResidPre or HookSite.ResidMid or HookSite.ResidPost or HookSite.AttnOut or HookSite.MlpOut =>
                units ?? torch.eye(model.Config.DModel),
            _ => null,
        };
    }
}
