using System.Collections.Immutable;
using Monosemantic.Activations;
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
/// <para>
/// Where the dictionary reads and writes the residual stream between two blocks, the model goes on from the activations that
/// are stored: x and f_j are those of the scan, computed from all that came before, and the blocks behind see the context's
/// tokens up to the peak. Elsewhere, or without a store, the model reads those tokens anew and nothing before them, so that
/// f_j is computed anew there, and is taken away where the dictionary writes (a transcoder's output).
/// </para>
/// <para>
/// The dictionary's error stays in. Where the feature does not fire in the shortened text the effect is 0. A context that ends
/// with its peak has no next token and is not measured, and no feature of a crosscoder is: it writes to several places. Nor is one of a transcoder whose output is not known.
/// </para>
/// </remarks>
public sealed class AblationEffects
{
    private const int TokensAtOnce = 4096;
    private readonly Transformer model;
    private readonly SparseAutoencoder sae;
    private readonly HookPoint reads, writes;
    private readonly StoredStretches? stored;

    private AblationEffects(Transformer model, HookPoint reads, SparseAutoencoder sae, ActivationStore? store)
    {
        (this.model, this.reads, this.sae) = (model, reads, sae);
        writes = WritesTo(sae, reads)!.Value;
        if (store is not null && writes == reads && Transformer.BlockAfter(reads) is not null) stored = new(store);
    }

    /// <summary>Where a dictionary's features add to the model: where it reads, or a transcoder's output; null for a crosscoder, or where the output is not known.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="reads">The hook point that it reads.</param>
    public static HookPoint? WritesTo(SparseAutoencoder sae, HookPoint reads)
    {
        ArgumentNullException.ThrowIfNull(sae);
        SaeConfig config = sae.Config;
        if (config.Sites > 1) return null;
        if (config.HookPointOut is { Length: > 0 } output) return HookPoint.CanonicalName(output) is { } known ? HookPoint.Parse(known) : null;
        return config.SkipConnection || config.Outputs != config.DModel ? null : reads;
    }

    /// <summary>Measures the strongest contexts of each feature.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">The hook point that the dictionary reads.</param>
    /// <param name="sae">The dictionary.</param>
    /// <param name="features">Its features' evidence, by index.</param>
    /// <param name="contexts">Contexts of each feature to measure, from the strongest.</param>
    /// <param name="store">The activations that the evidence is of; null to read the contexts anew.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>The evidence with the effects in it.</returns>
    public static ImmutableArray<UnitEvidence> Measure(
        Transformer model, HookPoint at, SparseAutoencoder sae, ImmutableArray<UnitEvidence> features, int contexts, ActivationStore? store = null, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sae);
        if (WritesTo(sae, at) is null) return features;
        Probe[] probes =
        [
            .. from unit in features
               from rank in Enumerable.Range(0, Math.Min(contexts, unit.Contexts.Length))
               let context = unit.Contexts[rank]
               where context.Peak + 1 < context.Tokens.Length
               select new Probe(unit.Index, rank, context),
        ];
        var measuring = new AblationEffects(model, at, sae, store);
        var effects = new Dictionary<(int Unit, int Rank), double>();
        int done = 0;
        foreach (Probe[] batch in Batches(probes))
        {
            cancellation.ThrowIfCancellationRequested();
            double[] found = measuring.EffectsOf(batch);
            for (int i = 0; i < batch.Length; i++) effects[(batch[i].Unit, batch[i].Rank)] = found[i];
            progress?.Report(new("ablate", done += batch.Length, probes.Length, "contexts"));
        }
        return [.. features.Select(unit => unit with { Contexts = [.. unit.Contexts.Select((context, rank) => effects.TryGetValue((unit.Index, rank), out double effect) ? context with { AblationLoss = effect } : context)] })];
    }

    // Of one length each, so that nothing is padded: what a row gives does not depend on its batch.
    private static IEnumerable<Probe[]> Batches(Probe[] probes) =>
        probes.GroupBy(probe => probe.Context.Peak).OrderBy(group => group.Key).SelectMany(group => group.Chunk(Math.Max(1, TokensAtOnce / (group.Key + 2))));

    private double[] EffectsOf(Probe[] batch)
    {
        using var scope = NewDisposeScope();
        using var still = no_grad();
        using var seen = new KeyValueCache(model.Config);
        Tensor next = tensor(batch.Select(probe => (long)probe.Context.Tokens[probe.Context.Peak + 1]).ToArray());
        (Tensor own, Tensor ablated) = stored is null ? ReadAnew(batch, seen) : FromStored(batch, seen);
        return [.. Losses(own, next).Zip(Losses(ablated, next), (before, after) => (double)after - before)];
    }

    // What comes before the peak is the same with and without the feature, and nothing after it is read: the model goes over the
    // former once, and over the peak twice.
    private (Tensor Own, Tensor Ablated) ReadAnew(Probe[] batch, KeyValueCache seen)
    {
        int last = batch[0].Context.Peak;
        long[] ids = [.. batch.SelectMany(probe => probe.Context.Tokens[..(last + 1)].Select(id => (long)id))];
        Tensor tokens = tensor(ids, [batch.Length, last + 1]), peak = tokens.narrow(1, last, 1);
        if (last > 0) model.Read(tokens.narrow(1, 0, last), seen);
        Tensor? contribution = null;
        Tensor Keep(HookPoint _, Tensor value)
        {
            contribution = Contributions(value.reshape(batch.Length, sae.Config.DModel), batch).DetachFromDisposeScope();
            return value;
        }
        Tensor Without(HookPoint _, Tensor value) => value - contribution!.reshape(value.shape);
        Tensor own = model.ContinueHooked(peak, seen, Keep, reads);
        using Tensor taken = contribution!;
        seen.Rewind(last);
        return (own, model.ContinueHooked(peak, seen, Without, writes));
    }

    private (Tensor Own, Tensor Ablated) FromStored(Probe[] batch, KeyValueCache seen)
    {
        int last = batch[0].Context.Peak, block = Transformer.BlockAfter(reads)!.Value;
        Tensor x = empty(batch.Length, last + 1, sae.Config.DModel, dtype: ScalarType.Float32), peak = x.narrow(1, last, 1);
        int size = (last + 1) * sae.Config.DModel;
        for (int i = 0; i < batch.Length; i++) stored!.Read(batch[i].Context.Document, batch[i].Context.Start, TensorMemory.Floats(x).Slice(i * size, size));
        if (last > 0) model.ReadFrom(block, x.narrow(1, 0, last), seen);
        Tensor own = model.ContinueFrom(block, peak, seen);
        seen.Rewind(last);
        return (own, model.ContinueFrom(block, peak - Contributions(peak.squeeze(1), batch).unsqueeze(1), seen));
    }

    private static float[] Losses(Tensor logits, Tensor next) =>
        [.. TensorMemory.Floats(nn.functional.cross_entropy(logits, next, reduction: nn.Reduction.None).contiguous())];

    // f_j W_dec_j of each probe's own feature [n, d_out], in the size of the activations where the dictionary normalises them.
    private Tensor Contributions(Tensor x, Probe[] batch)
    {
        using var scope = NewDisposeScope();
        Tensor local = x.contiguous();
        SparseCode code = sae.EncodeSparse(TensorMemory.Floats(local), batch.Length);
        (float Shift, float Scale)[]? undo = InputScaler.Apply(sae.Config.InputNormalisation, TensorMemory.Floats(local.clone()), sae.Config.DModel);
        float Amount(Probe probe, int row) => code.FeaturesOf(row).BinarySearch(probe.Unit) is var place && place >= 0 ? code.ValuesOf(row)[place] * (undo?[row].Scale ?? 1) : 0;
        Tensor directions = sae.WDec.index_select(0, tensor(batch.Select(probe => (long)probe.Unit).ToArray()));
        return (directions * tensor(batch.Select(Amount).ToArray()).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    private sealed record Probe(int Unit, int Rank, ContextEvidence Context);
}
