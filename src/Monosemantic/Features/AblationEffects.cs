using System.Collections.Immutable;
using Monosemantic.Dictionaries;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Features;

/// <summary>
/// What a feature is worth to the model where it fires most: the loss of the token after a context's peak with the feature's
/// contribution taken away at the peak, less the loss without.
/// <code>
/// effect = loss(x - f_j W_dec_j) - loss(x)     in nats; above 0 where the feature helps
/// </code>
/// </summary>
/// <remarks>
/// The model reads the context's tokens up to the peak and nothing before them, so that f_j is computed anew there; the
/// dictionary's error stays in. Where the feature does not fire in the shortened text the effect is 0. A context that ends
/// with its peak has no next token and is not measured.
/// </remarks>
public static class AblationEffects
{
    private const int TokensAtOnce = 4096;

    /// <summary>Measures the strongest contexts of each feature.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">The hook point that the dictionary reads.</param>
    /// <param name="sae">The dictionary.</param>
    /// <param name="features">Its features' evidence, by index.</param>
    /// <param name="contexts">Contexts of each feature to measure, from the strongest.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>The evidence with the effects in it.</returns>
    public static ImmutableArray<UnitEvidence> Measure(
        Transformer model, HookPoint at, SparseAutoencoder sae, ImmutableArray<UnitEvidence> features, int contexts, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sae);
        Probe[] probes =
        [
            .. from unit in features
               from rank in Enumerable.Range(0, Math.Min(contexts, unit.Contexts.Length))
               let context = unit.Contexts[rank]
               where context.Peak + 1 < context.Tokens.Length
               select new Probe(unit.Index, rank, context),
        ];
        var effects = new Dictionary<(int Unit, int Rank), double>();
        int done = 0;
        foreach (Probe[] batch in Batches(probes))
        {
            cancellation.ThrowIfCancellationRequested();
            double[] found = Effects(model, at, sae, batch);
            for (int i = 0; i < batch.Length; i++) effects[(batch[i].Unit, batch[i].Rank)] = found[i];
            progress?.Report(new("ablate", done += batch.Length, probes.Length, "contexts"));
        }
        return [.. features.Select(unit => unit with { Contexts = [.. unit.Contexts.Select((context, rank) => effects.TryGetValue((unit.Index, rank), out double effect) ? context with { AblationLoss = effect } : context)] })];
    }

    // Of one length each, so that nothing is padded: what a row gives does not depend on its batch.
    private static IEnumerable<Probe[]> Batches(Probe[] probes) =>
        probes.GroupBy(probe => probe.Context.Peak).OrderBy(group => group.Key).SelectMany(group => group.Chunk(Math.Max(1, TokensAtOnce / (group.Key + 2))));

    // What comes before the peak is the same with and without the feature, and nothing after it is read: the model goes over the
    // former once, and over the peak twice.
    private static double[] Effects(Transformer model, HookPoint at, SparseAutoencoder sae, Probe[] batch)
    {
        using var scope = NewDisposeScope();
        using var still = no_grad();
        using var seen = new KeyValueCache(model.Config);
        int last = batch[0].Context.Peak, width = sae.Config.DModel;
        long[] ids = [.. batch.SelectMany(probe => probe.Context.Tokens[..(last + 2)].Select(id => (long)id))];
        Tensor tokens = tensor(ids, [batch.Length, last + 2]), peak = tokens.narrow(1, last, 1), next = tokens.select(1, last + 1);
        if (last > 0) model.Read(tokens.narrow(1, 0, last), seen);
        Tensor? contribution = null;
        Tensor Keep(HookPoint _, Tensor value)
        {
            contribution = Contributions(sae, value.reshape(batch.Length, width), batch).DetachFromDisposeScope();
            return value;
        }
        Tensor Without(HookPoint _, Tensor value) => value - contribution!.reshape(value.shape);
        float[] own = Losses(model.ContinueHooked(peak, seen, Keep, at), next);
        using Tensor taken = contribution!;
        seen.Rewind(last);
        float[] ablated = Losses(model.ContinueHooked(peak, seen, Without, at), next);
        return [.. own.Zip(ablated, (before, after) => (double)after - before)];
    }

    private static float[] Losses(Tensor logits, Tensor next) =>
        [.. TensorMemory.Floats(nn.functional.cross_entropy(logits, next, reduction: nn.Reduction.None).contiguous())];

    // f_j W_dec_j of each probe's own feature [n, d_model].
    private static Tensor Contributions(SparseAutoencoder sae, Tensor x, Probe[] batch)
    {
        using var scope = NewDisposeScope();
        Tensor local = x.contiguous();
        SparseCode code = sae.EncodeSparse(TensorMemory.Floats(local), batch.Length);
        float[] activations = [.. batch.Select((probe, row) => code.FeaturesOf(row).BinarySearch(probe.Unit) is var place && place >= 0 ? code.ValuesOf(row)[place] : 0)];
        Tensor directions = sae.WDec.index_select(0, tensor(batch.Select(probe => (long)probe.Unit).ToArray()));
        return (directions * tensor(activations).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    private sealed record Probe(int Unit, int Rank, ContextEvidence Context);
}
