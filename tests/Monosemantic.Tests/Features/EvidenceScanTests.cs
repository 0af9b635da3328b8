using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Tests.Metrics;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Features;

public sealed class EvidenceScanTests
{
    [Fact]
    public void Features_that_are_the_neurons_have_the_evidence_of_the_neurons()
    {
        using SparseAutoencoder sae = EvaluationTests.Axes(width: 6, k: 2);
        EvidenceResult result = EvidenceScan.Run(sae, NeuronBasis.OfMlp(6, 2), Batches(), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(200, result.Rows);
        Assert.Equal([0, 1, 2, 3, 4], result.Tokens);
        Assert.Equal(0, result.PrunedUnits);
        Assert.Equal(JsonFile.ToText(result.Features.Select(unit => unit with { Kind = UnitKind.Neuron, Neighbours = [] })), JsonFile.ToText(result.Neurons.Select(unit => unit with { Neighbours = [] })));
        Assert.Equal(200, result.ActiveFeatures.Sum());
        Assert.All(result.Features, unit => Assert.Equal(unit.Index, unit.Neighbours.First(near => near.Kind == UnitKind.Neuron).Index));
        Assert.All(result.Neurons, unit => Assert.Equal(unit.Index, unit.Neighbours.First(near => near.Kind == UnitKind.Feature).Index));
        Assert.All(result.Features, unit => Assert.NotEmpty(unit.Contexts));
    }

    [Fact]
    public void Nothing_to_scan_and_a_wrong_width_are_refused()
    {
        using SparseAutoencoder sae = EvaluationTests.Axes(width: 5, k: 2);
        Assert.Throws<UserErrorException>(() => EvidenceScan.Run(sae, null, [], cancellation: TestContext.Current.CancellationToken));
        Assert.Throws<UserErrorException>(() => EvidenceScan.Run(sae, null, Batches(), cancellation: TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("blocks.1.hook_resid_post", 16)]
    [InlineData("blocks.1.mlp.hook_post", 64)]
    [InlineData("blocks.1.attn.hook_z", 16)]
    [InlineData("blocks.1.mlp.hook_pre", 0)]
    public void Neurons_that_feed_the_last_residual_stream_have_logit_effects(string name, int units)
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: 11, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        using var model = new Transformer(config, Gpt2.Assemble(config, key => weights[key]), weights, "toy", "");
        var at = HookPoint.Parse(name);
        IReadOnlyList<UnitLogits>? neurons = EvidenceScan.Logits(model, at, null, count: 3);
        Assert.Equal(units, neurons?.Count ?? 0);
        if (neurons is null) return;

        // A neuron is the unit vector of its dimension: both ways in give the same.
        using Tensor basis = eye(units);
        Assert.Equal(neurons.Select(unit => unit.Promoted[0].Token), EvidenceScan.Logits(model, at, basis, count: 3)!.Select(unit => unit.Promoted[0].Token));
        Assert.All(neurons, unit => Assert.Equal(3, unit.Suppressed.Length));
    }

    private static IEnumerable<ActivationBatch> Batches()
    {
        var random = new SeededRandom(5);
        for (int batch = 0; batch < 4; batch++)
        {
            yield return new ActivationBatch
            {
                Rows = 50,
                DModel = 6,
                Values = [.. Enumerable.Range(0, 300).Select(_ => (float)random.NextDouble())],
                Documents = [.. Enumerable.Repeat(batch, 50)],
                Positions = [.. Enumerable.Range(0, 50)],
                Tokens = [.. Enumerable.Range(0, 50).Select(i => i % 5)],
            };
        }
    }
}
