using System.Text.Json.Nodes;
using Monosemantic.Models;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>A trained model of llama2.c in all its file versions: recorded losses, logits and residual norms.</summary>
public sealed class StoriesGoldenTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("stories260K.bin", 2e-5)]
    [InlineData("stories260K_v1.bin", 2e-5)]
    // int8 weights are other weights: near, and no nearer.
    [InlineData("stories260K-q8.bin", 0.005)]
    public void A_file_gives_the_recorded_numbers(string name, double tolerance)
    {
        JsonNode golden = JsonNode.Parse(File.ReadAllText(SharedData.Require("stories260K", "golden_stories260K.json")))!;
        using var model = Transformer.Load(SharedData.Require("stories260K", name));
        using var scope = NewDisposeScope();
        Tensor tokens = tensor(golden["token_ids"]!.AsArray().Select(id => id!.GetValue<long>()).ToArray()).unsqueeze(0);
        var last = new List<Tensor>();
        HookPoint[] points = [.. model.HookPoints.Where(point => point.Site == HookSite.ResidPost)];
        Tensor logits = model.Forward(tokens, (_, value) =>
        {
            last.Add(value[0, -1].clone().DetachFromDisposeScope());
            return value;
        }, points);

        AssertNear("mean cross-entropy", golden["mean_ce"]!.GetValue<double>(), Transformer.LossPerToken(logits, tokens).mean().item<float>(), tolerance, 1);
        double largest = golden["top5_last"]![0]![2]!.GetValue<double>();
        foreach (JsonNode? entry in golden["top5_last"]!.AsArray()) AssertNear($"logit {entry![1]}", entry[2]!.GetValue<double>(), logits[0, -1, entry[0]!.GetValue<long>()].item<float>(), tolerance, largest);
        foreach ((int i, JsonNode? value) in golden["logits_last_first16"]!.AsArray().Index()) AssertNear($"logit of token {i}", value!.GetValue<double>(), logits[0, -1, i].item<float>(), tolerance, largest);
        foreach ((int layer, JsonNode? norm) in golden["resid_post_l2_last_pos"]!.AsArray().Index()) AssertNear($"residual norm after block {layer}", norm!.GetValue<double>(), last[layer].norm().item<float>(), tolerance, norm.GetValue<double>());
        foreach (Tensor value in last) value.Dispose();
    }

    private void AssertNear(string what, double expected, double actual, double tolerance, double scale)
    {
        output.WriteLine($"{what}: {actual} for {expected}, {Math.Abs(actual - expected) / scale:E2} of the largest value");
        Assert.True(Math.Abs(actual - expected) <= tolerance * scale, $"{what}: {actual} for {expected}");
    }
}
