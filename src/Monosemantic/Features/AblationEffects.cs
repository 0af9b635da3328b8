using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Features;

/// <summary>
/// What a unit is worth to the model where it fires most: the loss of the token after a context's peak with the unit's
/// contribution taken away at the peak, less the loss without.
/// <code>
/// effect = loss(x - c_j) - loss(x)     in nats; above 0 where the unit helps
/// c_j = f_j W_dec_j                    a feature
/// c_j = (x_j - mean_j) e_j             a dimension that lies above its mean: it is set to the mean
/// c_j = x_j e_j                        a neuron of an MLP that is above 0: it is set to 0
/// </code>
/// </summary>
/// <remarks>
/// <para>
/// Where the units are read and written in the residual stream between two blocks, the model goes on from the activations that
/// are stored: x and f_j are those of the scan, computed from all that came before, and the blocks behind see the context's
/// tokens up to the peak. Elsewhere, or without a store, the model reads those tokens anew and nothing before them, so that
/// f_j is computed anew there, and is taken away where the dictionary writes (a transcoder's output).
/// </para>
/// <para>
/// The dictionary's error stays in. Where the unit does not fire in the shortened text the effect is 0. A context that ends
/// with its peak has no next token and is not measured, and no feature of a crosscoder is: it writes to several places. Nor is one of a transcoder whose output is not known.
/// </para>
/// </remarks>
public sealed class AblationEffects
{
    private const int UnitsAtOnce = 1024, TokensAtOnce = 4096, LogitsAtOnce = 1 << 20;
    private readonly Transformer model;
    private readonly AblatedUnits ablated;
    private readonly StoredStretches? stored;

    private AblationEffects(Transformer model, AblatedUnits ablated, ActivationStore? store)
    {
        (this.model, this.ablated) = (model, ablated);
        if (store is not null && ablated.Writes == ablated.Reads && Transformer.BlockAfter(ablated.Reads) is not null) stored = new(store);
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
        return [.. InOrder(model, at, sae, features, contexts, store, progress, cancellation)];
    }

    /// <summary>Measures the strongest contexts of each raw neuron.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">The neurons' hook point.</param>
    /// <param name="basis">When they fire.</param>
    /// <param name="neurons">Their evidence, by index.</param>
    /// <param name="contexts">Contexts of each neuron to measure, from the strongest.</param>
    /// <param name="store">The activations that the evidence is of; null to read the contexts anew.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>The evidence with the effects in it.</returns>
    public static ImmutableArray<UnitEvidence> Measure(
        Transformer model, HookPoint at, NeuronBasis basis, ImmutableArray<UnitEvidence> neurons, int contexts, ActivationStore? store = null, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(basis);
        return [.. InOrder(model, at, basis, neurons, contexts, store, progress, cancellation)];
    }

    /// <summary>The features, some at a time as they are asked for.</summary>
    internal static IEnumerable<UnitEvidence> InOrder(
        Transformer model, HookPoint at, SparseAutoencoder sae, ImmutableArray<UnitEvidence> features, int contexts, ActivationStore? store, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        WritesTo(sae, at) is { } writes
            ? new AblationEffects(model, new AblatedFeatures(sae) { Reads = at, Writes = writes }, store).Measured(features, contexts, "ablate", progress, cancellation)
            : features;

    /// <summary>The neurons, some at a time as they are asked for.</summary>
    internal static IEnumerable<UnitEvidence> InOrder(
        Transformer model, HookPoint at, NeuronBasis basis, ImmutableArray<UnitEvidence> neurons, int contexts, ActivationStore? store, IProgress<ProgressReport>? progress, CancellationToken cancellation) =>
        new AblationEffects(model, new AblatedNeurons(basis) { Reads = at, Writes = at }, store).Measured(neurons, contexts, "ablate neurons", progress, cancellation);

    private IEnumerable<UnitEvidence> Measured(ImmutableArray<UnitEvidence> units, int contexts, string stage, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        int done = 0, total = Probes(units, contexts).Count();
        foreach (UnitEvidence[] block in units.Chunk(UnitsAtOnce))
        {
            Dictionary<(int Unit, int Rank), double> effects = EffectsOf(Probes(block, contexts), count => progress?.Report(new(stage, done + count, total, "contexts")), cancellation);
            done += effects.Count;
            foreach (UnitEvidence unit in block)
            {
                yield return unit with { Contexts = [.. unit.Contexts.Select((context, rank) => effects.TryGetValue((unit.Index, rank), out double effect) ? context with { AblationLoss = effect } : context)] };
            }
        }
    }

    // Each batch by one thread: it neither waits for others nor do its numbers depend on how many there are.
    private Dictionary<(int Unit, int Rank), double> EffectsOf(IEnumerable<Probe> probes, Action<int> tell, CancellationToken cancellation)
    {
        var effects = new Dictionary<(int Unit, int Rank), double>();
        try
        {
            Parallel.ForEach(Batches(probes), new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellation }, batch =>
            {
                double[] found = EffectsOf(batch);
                lock (effects)
                {
                    for (int i = 0; i < batch.Length; i++) effects[(batch[i].Unit, batch[i].Rank)] = found[i];
                    tell(effects.Count);
                }
            });
        }
        catch (AggregateException failures) when (failures.InnerException is { } first)
        {
            ExceptionDispatchInfo.Throw(first);
        }
        return effects;
    }

    private static IEnumerable<Probe> Probes(IEnumerable<UnitEvidence> units, int contexts) =>
        from unit in units
        from rank in Enumerable.Range(0, Math.Min(contexts, unit.Contexts.Length))
        let context = unit.Contexts[rank]
        where context.Peak + 1 < context.Tokens.Length
        select new Probe(unit.Index, rank, context);

    // Of one length each, so that nothing is padded: what a row gives does not depend on its batch.
    private IEnumerable<Probe[]> Batches(IEnumerable<Probe> probes) =>
        probes.GroupBy(probe => probe.Context.Peak).OrderBy(group => group.Key).SelectMany(group => group.Chunk(Math.Max(1, Math.Min(TokensAtOnce / (group.Key + 2), LogitsAtOnce / (2 * model.Config.VocabularySize)))));

    private double[] EffectsOf(Probe[] batch)
    {
        using var scope = NewDisposeScope();
        using var still = no_grad();
        using ProductThreads.Lease single = ProductThreads.Single();
        long[] next = [.. batch.SelectMany(probe => Enumerable.Repeat((long)probe.Context.Tokens[probe.Context.Peak + 1], 2))];
        Tensor logits = stored is null ? ReadAnew(batch) : FromStored(batch);
        Tensor losses = nn.functional.cross_entropy(logits.view(next.Length, -1), tensor(next), reduction: nn.Reduction.None);
        float[] found = [.. TensorMemory.Floats(losses.contiguous())];
        return [.. Enumerable.Range(0, batch.Length).Select(i => (double)found[(2 * i) + 1] - found[2 * i])];
    }

    // Logits at the peak with the unit and without it [n, 2, vocabulary]. What comes before the peak is the same with both, and
    // nothing after it is read: the model goes over the former once, and over the peak twice.
    private Tensor ReadAnew(Probe[] batch)
    {
        using var seen = new KeyValueCache(model.Config);
        int last = batch[0].Context.Peak;
        long[] ids = [.. batch.SelectMany(probe => probe.Context.Tokens[..(last + 1)].Select(id => (long)id))];
        Tensor tokens = tensor(ids, [batch.Length, last + 1]), peak = tokens.narrow(1, last, 1);
        if (last > 0) model.Read(tokens.narrow(1, 0, last), seen);
        int[] units = Units(batch);
        Tensor? contribution = null;
        Tensor Keep(HookPoint _, Tensor value)
        {
            Tensor x = value.reshape(batch.Length, ablated.Width);
            contribution = ablated.Contributions(x, units, ablated.Activations(x, units)).DetachFromDisposeScope();
            return value;
        }
        Tensor Without(HookPoint _, Tensor value) => value - contribution!.reshape(value.shape);
        Tensor own = model.ContinueHooked(peak, seen, Keep, ablated.Reads);
        using Tensor taken = contribution!;
        seen.Rewind(last);
        return stack([own, model.ContinueHooked(peak, seen, Without, ablated.Writes)], 1);
    }

    private Tensor FromStored(Probe[] batch)
    {
        int last = batch[0].Context.Peak, block = Transformer.BlockAfter(ablated.Reads)!.Value;
        Tensor x = empty(batch.Length, last + 1, ablated.Width, dtype: ScalarType.Float32), peak = x.narrow(1, last, 1);
        stored!.Read([.. batch.Select(probe => (probe.Context.Document, probe.Context.Start))], last + 1, TensorMemory.Floats(x));
        Tensor contribution = ablated.Contributions(peak.squeeze(1), Units(batch), [.. batch.Select(probe => probe.Context.Activations[last])]);
        return model.Alternatives(block, x.narrow(1, 0, last), cat([peak, peak - contribution.unsqueeze(1)], 1));
    }

    private static int[] Units(Probe[] batch) => [.. batch.Select(probe => probe.Unit)];

    private sealed record Probe(int Unit, int Rank, ContextEvidence Context);
}
