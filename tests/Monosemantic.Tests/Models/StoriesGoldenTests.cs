using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Text;
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
        foreach ((int i, JsonNode? value) in golden["resid_post_L2_pos_last_first8"]!.AsArray().Index()) AssertNear($"residual stream {i} after block 2", value!.GetValue<double>(), last[2][i].item<float>(), tolerance, last[2].abs().max().item<float>());
        foreach (Tensor value in last) value.Dispose();
    }

    [Theory]
    [InlineData("stories260K.bin")]
    [InlineData("stories260K_v1.bin")]
    [InlineData("stories260K-q8.bin")]
    public void The_first_sixty_stories_cost_what_they_should(string name)
    {
        using var model = Transformer.Load(SharedData.Require("stories260K", name));
        Tokenizer tokenizer = Tokenizer.Load(SharedData.Require("stories260K", "tok512.bin"));
        string[] stories = [.. JsonNode.Parse(File.ReadAllText(SharedData.Require("corpora", "tinystories_1000.json")))!.AsArray().Take(60).Select(story => story!.GetValue<string>())];
        (double sum, long count) = (0, 0);
        foreach (string story in stories)
        {
            using var scope = NewDisposeScope();
            long[] ids = [.. tokenizer.Encode(story, new EncodingPolicy { Add = AddedMarks.Bos }).Take(model.Config.MaxPositions).Select(id => (long)id)];
            Tensor tokens = tensor(ids).unsqueeze(0), losses = Transformer.LossPerToken(model.Forward(tokens), tokens).to(ScalarType.Float64);
            (sum, count) = (sum + losses.sum().item<double>(), count + losses.numel());
        }
        output.WriteLine($"{sum / count:F4} nats per token over {count:N0} tokens");
        Assert.Equal(1.42, sum / count, 0.005);
    }

    private void AssertNear(string what, double expected, double actual, double tolerance, double scale)
    {
        output.WriteLine($"{what}: {actual} for {expected}, {Math.Abs(actual - expected) / scale:E2} of the largest value");
        Assert.True(Math.Abs(actual - expected) <= tolerance * scale, $"{what}: {actual} for {expected}");
    }
}
