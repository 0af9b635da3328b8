using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Tests.Activations;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Features;

/// <summary>The effects of ablation against whole passes of a small model with a hook that takes the feature away.</summary>
public sealed class AblationEffectsTests : IDisposable
{
    private const int Width = 16;
    private static readonly ImmutableArray<int> Text = [1, 5, 7, 3, 2, 9, 4, 0, 8, 6, 10, 2];
    private readonly SampleStore files = new();
    private readonly Transformer model;

    public AblationEffectsTests()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: Width, heads: 4, vocabularySize: 11, positions: 12);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        model = new Transformer(config, Gpt2.Assemble(config, key => weights[key]), weights, "toy", "");
    }

    [Theory]
    [InlineData(InputNormalisation.None)]
    [InlineData(InputNormalisation.ConstantNorm)]
    public void Context_that_is_read_anew_loses_what_the_model_loses_without_the_feature(InputNormalisation normalisation)
    {
        var at = HookPoint.Parse("blocks.0.hook_resid_post");
        using SparseAutoencoder sae = Axes(normalisation);
        ContextEvidence context = Context(0, 2, 2), cut = context with { Tokens = context.Tokens[..3], Activations = context.Activations[..3] };
        UnitEvidence[] measured = Measure(at, sae, null, [context, cut]);
        foreach (UnitEvidence unit in measured)
        {
            Assert.Equal(Effect(0, 2, at, value => Without(value, 2, unit.Index)), unit.Contexts[0].AblationLoss!.Value, 5);
            Assert.Null(unit.Contexts[1].AblationLoss);
        }
        Assert.Contains(measured, unit => Math.Abs(unit.AblationLoss!.Value) > 1e-4);
    }

    [Fact]
    public void Feature_of_a_transcoder_is_taken_away_where_it_writes()
    {
        using var scope = NewDisposeScope();
        HookPoint reads = HookPoint.Parse("blocks.0.ln2.hook_normalized"), writes = HookPoint.Parse("blocks.0.hook_mlp_out");
        random.manual_seed(3);
        Tensor decoder = randn(Width, Width);
        var config = new SaeConfig { DModel = Width, DSae = Width, K = Width, HookPoint = reads.ToString(), HookPointOut = writes.ToString(), DOut = Width, SubtractBDec = false };
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(config, eye(Width), zeros(Width), decoder, zeros(Width));
        float[] read = [];
        model.Forward(Tokens(0, 4), (_, value) => { read = [.. value[0, 2].data<float>()]; return value; }, reads).Dispose();
        UnitEvidence[] measured = Measure(reads, sae, null, [Context(0, 2, 2)]);
        foreach (UnitEvidence unit in measured)
        {
            Tensor Taken(Tensor value)
            {
                Tensor changed = value.clone();
                changed[0, 2] = value[0, 2] - (decoder[unit.Index] * Math.Max(0, read[unit.Index]));
                return changed;
            }
            Assert.Equal(Effect(0, 2, writes, Taken), unit.Contexts[0].AblationLoss!.Value, 5);
        }
        Assert.Equal(writes, AblationEffects.WritesTo(sae, reads));
        Assert.Contains(measured, unit => Math.Abs(unit.AblationLoss!.Value) > 1e-4);
    }

    // From the beginning of a document the stored activations are those of the context; behind the last block they are all that
    // counts, wherever the context begins.
    [Theory]
    [InlineData("blocks.0.hook_resid_post", 0, 2)]
    [InlineData("blocks.1.hook_resid_pre", 0, 5)]
    [InlineData("blocks.0.hook_resid_pre", 0, 3)]
    [InlineData("blocks.1.hook_resid_post", 0, 0)]
    [InlineData("blocks.1.hook_resid_post", 3, 6)]
    [InlineData("blocks.1.hook_resid_post", 5, 4)]
    public void Context_that_is_stored_loses_what_the_model_loses_in_its_whole_text(string point, int start, int peak)
    {
        var at = HookPoint.Parse(point);
        using SparseAutoencoder sae = Axes(InputNormalisation.None);
        using ActivationStore store = Stored(at);
        UnitEvidence[] measured = Measure(at, sae, store, [Context(start, peak, 2)]);
        foreach (UnitEvidence unit in measured)
        {
            Assert.Equal(Effect(0, start + peak, at, value => Without(value, start + peak, unit.Index)), unit.Contexts[0].AblationLoss!.Value, 5);
        }
        Assert.Contains(measured, unit => Math.Abs(unit.AblationLoss!.Value) > 1e-4);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_post", true)]
    [InlineData("blocks.0.hook_resid_post", false)]
    [InlineData("blocks.1.hook_resid_mid", false)]
    public void Dimension_above_its_mean_is_set_to_the_mean(string point, bool inStore)
    {
        const int peak = 4;
        var at = HookPoint.Parse(point);
        double[] mean = [.. Enumerable.Range(0, Width).Select(j => 0.02 * (j - 8))], deviation = [.. Enumerable.Range(0, Width).Select(j => j == 3 ? 0 : 0.5 + j)];
        using ActivationStore store = Stored(at);
        UnitEvidence[] measured = Measure(at, NeuronBasis.OfResidual(mean, deviation, Width), inStore ? store : null, [Context(0, peak, 2)]);
        foreach (UnitEvidence unit in measured)
        {
            Tensor Taken(Tensor value)
            {
                Tensor changed = value.clone();
                if (unit.Index != 3) changed[0, peak, unit.Index] = value[0, peak, unit.Index].clamp_max(mean[unit.Index]);
                return changed;
            }
            Assert.Equal(Effect(0, peak, at, Taken), unit.Contexts[0].AblationLoss!.Value, 5);
        }
        Assert.Contains(measured, unit => Math.Abs(unit.AblationLoss!.Value) > 1e-4);
        Assert.Equal(0, measured[3].AblationLoss);
    }

    [Fact]
    public void Neuron_of_an_mlp_is_set_to_0_where_it_is_among_the_k_that_fire()
    {
        const int k = 7;
        var at = HookPoint.Parse("blocks.1.mlp.hook_post");
        float[] active = [];
        model.Forward(Tokens(0, 4), (_, value) => { active = [.. value[0, 2].data<float>()]; return value; }, at).Dispose();
        HashSet<int> fire = [.. Enumerable.Range(0, active.Length).Where(j => active[j] > 0).OrderByDescending(j => active[j]).Take(k)];
        UnitEvidence[] measured = Measure(at, NeuronBasis.OfMlp(active.Length, k), null, [Context(0, 2, 2)]);
        Assert.Equal((k, 4 * Width), (fire.Count, measured.Length));
        foreach (UnitEvidence unit in measured)
        {
            double expected = fire.Contains(unit.Index) ? Effect(0, 2, at, value => Without(value, 2, unit.Index)) : 0;
            Assert.Equal(expected, unit.Contexts[0].AblationLoss!.Value, 5);
        }
        Assert.Contains(measured, unit => Math.Abs(unit.AblationLoss!.Value) > 1e-4);
    }

    [Fact]
    public void Feature_of_a_crosscoder_is_not_measured()
    {
        using SparseAutoencoder axes = Axes(InputNormalisation.None);
        var config = new SaeConfig { DModel = Width, DSae = 4, K = 2, Sites = 2, SubtractBDec = false };
        using Tensor encoder = ones(Width, 4), decoder = ones(4, Width), bias = zeros(4), shift = zeros(Width);
        using SparseAutoencoder crosscoder = SparseAutoencoder.FromWeights(config, encoder, bias, decoder, shift);
        var at = HookPoint.Parse("blocks.0.hook_resid_post");
        Assert.Null(AblationEffects.WritesTo(crosscoder, at));
        Assert.All(Measure(at, crosscoder, null, [Context(0, 2, 2)]), unit => Assert.Null(unit.AblationLoss));
        Assert.All(Measure(at, axes, null, [Context(0, 2, 2)]), unit => Assert.NotNull(unit.AblationLoss));
    }

    [Theory]
    [InlineData("blocks.0.hook_mlp_out", 16, "blocks.0.hook_mlp_out")]
    [InlineData("h.0.mlp", 16, null)]
    [InlineData(null, 5, null)]
    [InlineData(null, 16, "blocks.0.hook_resid_mid")]
    public void What_writes_to_a_place_that_is_not_known_is_not_measured(string? output, int width, string? expected)
    {
        var at = HookPoint.Parse("blocks.0.hook_resid_mid");
        var config = new SaeConfig { DModel = Width, DSae = 4, K = 2, HookPointOut = output, DOut = width == Width ? null : width, SubtractBDec = false };
        using Tensor encoder = ones(Width, 4), decoder = ones(4, width), bias = zeros(4), shift = zeros(width);
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(config, encoder, bias, decoder, shift);
        Assert.Equal(expected, AblationEffects.WritesTo(sae, at)?.ToString());
        Assert.All(Measure(at, sae, null, [Context(0, 2, 2)]), unit => Assert.Equal(expected is null, unit.AblationLoss is null));
    }

    [Fact]
    public void Many_units_come_in_order_each_as_if_it_were_alone()
    {
        const int many = 2500;
        var at = HookPoint.Parse("blocks.0.hook_resid_mid");
        using var scope = NewDisposeScope();
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(
            new SaeConfig { DModel = Width, DSae = many, K = many, SubtractBDec = false }, randn(Width, many), zeros(many), randn(many, Width), zeros(Width));
        UnitEvidence[] units = [.. Units(many, null, _ => throw new InvalidOperationException(), [Context(0, 2, 2), Context(1, 3, 2)])];
        UnitEvidence[] measured = [.. AblationEffects.Measure(model, at, sae, [.. units], 2, cancellation: TestContext.Current.CancellationToken)];
        Assert.Equal(units.Select(unit => unit.Index), measured.Select(unit => unit.Index));
        foreach (int unit in new[] { 0, 1023, 1024, many - 1 })
        {
            UnitEvidence alone = AblationEffects.Measure(model, at, sae, [units[unit]], 2, cancellation: TestContext.Current.CancellationToken).Single();
            Assert.All(alone.Contexts.Zip(measured[unit].Contexts), pair => Assert.Equal(pair.First.AblationLoss!.Value, pair.Second.AblationLoss!.Value, 5));
        }
        Assert.True(measured.Select(unit => unit.AblationLoss).Distinct().Count() > many / 4);
    }

    [Fact]
    public void A_failure_in_the_middle_comes_as_it_is()
    {
        var at = HookPoint.Parse("blocks.0.hook_resid_mid");
        using SparseAutoencoder sae = Axes(InputNormalisation.None);
        ImmutableArray<UnitEvidence> units = Units(Width, null, _ => throw new InvalidOperationException(), [Context(0, 2, 2)]);
        ImmutableArray<UnitEvidence> strange = [units[0] with { Contexts = [units[0].Contexts[0] with { Tokens = [.. units[0].Contexts[0].Tokens.Select(_ => 1_000_000)] }] }];
        Assert.Throws<UserErrorException>(() => AblationEffects.Measure(model, at, sae, strange, 1, cancellation: TestContext.Current.CancellationToken));
        using var stopped = new CancellationTokenSource();
        stopped.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => AblationEffects.Measure(model, at, sae, units, 1, cancellation: stopped.Token));
    }

    public void Dispose()
    {
        model.Dispose();
        files.Dispose();
    }

    private static SparseAutoencoder Axes(InputNormalisation normalisation)
    {
        using var scope = NewDisposeScope();
        return SparseAutoencoder.FromWeights(new SaeConfig { DModel = Width, DSae = Width, K = Width, InputNormalisation = normalisation }, eye(Width), zeros(Width), eye(Width), zeros(Width));
    }

    // On axes the contribution of feature j is the positive part of dimension j.
    private static Tensor Without(Tensor value, int position, int feature)
    {
        Tensor changed = value.clone();
        changed[0, position, feature] = value[0, position, feature].clamp_max(0);
        return changed;
    }

    private static ContextEvidence Context(int start, int peak, int after) =>
        new(1, start, peak, Text[start..(start + peak + after)], [.. Enumerable.Range(0, peak + after).Select(at => at == peak ? 1f : 0)]);

    // With the activations that a scan of the store would have found at the peaks; they are not needed without it.
    private static ImmutableArray<UnitEvidence> Units(int count, ActivationStore? store, Func<ActivationBatch, SparseCode> encode, ImmutableArray<ContextEvidence> contexts)
    {
        UnitEvidence any = ScanData.Random(1).Scan(new(), 64)[0];
        SparseCode? code = store is null ? null : encode(store.Read(64).Single());
        float At(int unit, ContextEvidence context) => code!.FeaturesOf(Text.Length + context.Start + context.Peak) is var fired && fired.BinarySearch(unit) is var place && place >= 0 ? code.ValuesOf(Text.Length + context.Start + context.Peak)[place] : 0;
        return [.. Enumerable.Range(0, count).Select(index => any with { Index = index, Contexts = [.. contexts.Select(context => code is null ? context : context with { Activations = context.Activations.SetItem(context.Peak, At(index, context)) })] })];
    }

    private UnitEvidence[] Measure(HookPoint at, SparseAutoencoder sae, ActivationStore? store, ImmutableArray<ContextEvidence> contexts) =>
        [.. AblationEffects.Measure(model, at, sae, Units(sae.Config.DSae, store, batch => sae.EncodeSparse(batch.Span, batch.Rows), contexts), contexts.Length, store, cancellation: TestContext.Current.CancellationToken)];

    private UnitEvidence[] Measure(HookPoint at, NeuronBasis neurons, ActivationStore? store, ImmutableArray<ContextEvidence> contexts) =>
        [.. AblationEffects.Measure(model, at, neurons, Units(neurons.Width, store, neurons.Encode, contexts), contexts.Length, store, cancellation: TestContext.Current.CancellationToken)];

    private static Tensor Tokens(int start, int count) => tensor(Text[start..(start + count)].Select(id => (long)id).ToArray(), [1, count]);

    // By how much the loss of the token after a position rises in a pass over the text from a start to that token.
    private double Effect(int start, int position, HookPoint at, Func<Tensor, Tensor> taken)
    {
        using var scope = NewDisposeScope();
        using var still = no_grad();
        Tensor tokens = Tokens(start, position - start + 2);
        double LossOf(Tensor logits) => Transformer.LossPerToken(logits, tokens).flatten()[position - start].item<float>();
        return LossOf(model.Forward(tokens, (_, value) => taken(value), at)) - LossOf(model.Forward(tokens));
    }

    // Two documents of the same text; the second is the contexts', and lies across the ends of shards.
    private ActivationStore Stored(HookPoint at)
    {
        float[] values = [];
        model.Run(Tokens(0, Text.Length), (_, value) => { values = [.. value.data<float>()]; return value; }, at);
        using (ActivationWriter writer = ActivationWriter.Create(files.Path, SampleStore.Plan(Width, rowsPerShard: 7, heldOut: 0)))
        {
            int[] positions = [.. Enumerable.Range(0, Text.Length)];
            foreach (int document in new[] { 0, 1 }) writer.Add(values, [.. positions.Select(_ => document)], positions, [.. Text]);
            writer.Complete();
        }
        return ActivationStore.Open(files.Path);
    }
}
