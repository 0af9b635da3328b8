using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class SimpleTransformerTests : IDisposable
{
    private const string Letters = "abcdefghijk";
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    private static SimpleTransformerConfig Shape => new() { DModel = 12, Heads = 3, FeedForward = 20, Layers = 2, MaxPositions = 9 };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_forward_agrees_with_the_published_formulas_at_every_stage()
    {
        using SimpleTransformer model = Shaken(Shape);
        int[][] lines = [[0, 1, 2, 3, 4, 5, 6], [7, 8, 11, 11, 11, 11, 11], [10, 10, 10, 0, 11, 11, 11]];
        using Tensor tokens = TokensOf(lines);
        SimpleTransformerTrace trace = model.Trace(tokens);
        for (int row = 0; row < lines.Length; row++)
        {
            var expected = new EncoderOracle(model).Run(lines[row]);
            Agree(expected.Output, trace.Output[row], "output");
            Agree(expected.Embedded, trace.Embedded[row], "embedded");
            Agree(expected.Encoded, trace.EncoderOutput[row], "encoder output");
            Assert.Equal(Shape.Layers, trace.Neurons.Length);
            for (int layer = 0; layer < Shape.Layers; layer++) Agree(expected.Neurons[layer], trace.Neurons[layer][row], $"neurons of layer {layer}");
        }
    }

    [Fact]
    public void Each_layer_agrees_with_libtorchs_own_encoder_layer()
    {
        using SimpleTransformer model = Shaken(Shape);
        using var layer = nn.TransformerEncoderLayer(Shape.DModel, Shape.Heads, Shape.FeedForward, 0.1);
        layer.eval();
        Dictionary<string, TorchSharp.Modules.Parameter> theirs = layer.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        using (no_grad())
        {
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in model.Named.Where(pair => pair.Key.StartsWith("encoder.layers.1.", StringComparison.Ordinal)))
            {
                theirs[name["encoder.layers.1.".Length..]].copy_(parameter);
            }
        }
        Assert.Equal(12, theirs.Count);
        using Tensor x = tensor(Enumerable.Range(0, 2 * 5 * 12).Select(i => MathF.Sin(i * 1.7f)).ToArray()).view(2, 5, 12);
        using Tensor hidden = tensor(new[] { false, false, false, false, false, false, false, false, true, true }).view(2, 5);
        using Tensor mask = zeros(2, 1, 5).masked_fill(hidden.unsqueeze(1), double.NegativeInfinity).repeat_interleave(Shape.Heads, 0);

        Tensor expected = layer.call(x.transpose(0, 1), zeros(5, 5), hidden).transpose(0, 1);
        Tensor given = new SimpleTransformerLayer(Shape.Heads, name => model.Named["encoder.layers.1." + name]).Forward(x, mask, null).Output;

        Assert.InRange((expected - given).abs().max().item<float>(), 0, 2e-6f);
    }

    [Fact]
    public void A_trace_has_the_documented_shapes_and_the_default_model_the_documented_size()
    {
        using var model = new SimpleTransformer(SimpleTransformerVocabulary.Of(Letters), new(), seed: 0);
        using Tensor tokens = TokensOf([[0, 1, 2, 3, 4], [5, 6, 7, 8, 11]]);
        (Tensor output, Tensor embedded, Tensor encoded, var neurons) = model.Trace(tokens);
        Assert.Equal([2, 5, 11], output.shape);
        Assert.Equal([2, 5, 64], embedded.shape);
        Assert.Equal([2, 5, 64], encoded.shape);
        Assert.Equal(2, neurons.Length);
        Assert.All(neurons, layer => Assert.Equal([2, 5, 128], layer.shape));
        Assert.All(neurons, layer => Assert.InRange(layer.min().item<float>(), 0, 0));
        // Embeddings, two layers of attention 4 d (d + 1), feed-forward 2 d f + f + d and norms 4 d, and the map to the characters.
        Assert.Equal(12 * 64 + 1000 * 64 + 2 * (4 * 64 * 65 + 2 * 64 * 128 + 128 + 64 + 4 * 64) + 11 * 65, model.Parameters);
        Assert.True(equal(output, model.Forward(tokens)).all().item<bool>());
    }

    [Fact]
    public void Every_character_sees_the_whole_line_and_none_sees_padding()
    {
        using SimpleTransformer model = Shaken(Shape);
        using Tensor line = TokensOf([[1, 2, 3]]), otherEnd = TokensOf([[1, 2, 4]]), filled = TokensOf([[1, 2, 3, 11, 11]]);
        Tensor output = model.Forward(line);
        Assert.True((output[0, 0] - model.Forward(otherEnd)[0, 0]).abs().max().item<float>() > 1e-3);
        Assert.InRange((output[0] - model.Forward(filled)[0].narrow(0, 0, 3)).abs().max().item<float>(), 0, 2e-6f);
    }

    [Fact]
    public void The_next_line_takes_the_likeliest_characters_or_draws_by_their_chances()
    {
        using SimpleTransformer model = Shaken(Shape);
        double[][] logits = new EncoderOracle(model).Run(model.Vocabulary.Encode("bad", "it")).Output;
        Assert.Equal(string.Concat(logits.Select(row => Letters[Array.IndexOf(row, row.Max())])), model.NextLine("bad"));

        var random = new SeededRandom(3);
        const int draws = 1500;
        var counts = new double[Letters.Length];
        for (int i = 0; i < draws; i++) counts[Letters.IndexOf(model.NextLine("bad", random)[1])]++;
        double total = logits[1].Sum(Math.Exp);
        for (int id = 0; id < counts.Length; id++)
        {
            double chance = Math.Exp(logits[1][id]) / total;
            Assert.InRange(counts[id] / draws, chance - 5 * Math.Sqrt(chance / draws) - 1e-3, chance + 5 * Math.Sqrt(chance / draws) + 1e-3);
        }
    }

    [Fact]
    public void Dropout_drops_its_share_keeps_the_mean_and_repeats_for_the_same_numbers()
    {
        var dropout = new SimpleTransformerDropout(0.1);
        using Tensor x = ones(1000, 203);
        dropout.Begin(new SeededRandom(5, 1));
        Tensor first = dropout.Apply(x), second = dropout.Apply(x);
        dropout.Begin(new SeededRandom(5, 1));
        Assert.True(equal(first, dropout.Apply(x)).all().item<bool>());
        Assert.False(equal(first, second).all().item<bool>());
        Assert.InRange(first.eq(0).to(ScalarType.Float32).mean().item<float>(), 0.097f, 0.103f);
        Assert.InRange(first.mean().item<float>(), 0.996f, 1.004f);
        Assert.Equal(1 / 0.9f, first.max().item<float>(), 4);
        // Neighbours are dropped independently: both of a pair in a hundredth of the cases.
        Tensor dropped = first.eq(0).to(ScalarType.Float32);
        Assert.InRange((dropped.narrow(1, 0, 202) * dropped.narrow(1, 1, 202)).mean().item<float>(), 0.009f, 0.011f);
        Assert.Same(x, new SimpleTransformerDropout(0).Apply(x));
    }

    [Fact]
    public void Untrained_weights_are_spread_as_pytorch_spreads_them_and_follow_the_seed()
    {
        SimpleTransformerVocabulary vocabulary = SimpleTransformerVocabulary.Of(Letters);
        using var model = new SimpleTransformer(vocabulary, new(), seed: 4);
        using var twin = new SimpleTransformer(vocabulary, new(), seed: 4);
        using var other = new SimpleTransformer(vocabulary, new(), seed: 5);
        Assert.All(model.Named, pair => Assert.True(equal(pair.Value, twin.Named[pair.Key]).all().item<bool>(), pair.Key));
        Assert.False(equal(model.Named["output.weight"], other.Named["output.weight"]).all().item<bool>());
        float Largest(string name) => model.Named[name].abs().max().item<float>();
        Assert.InRange(model.Named["position_embedding.weight"].std().item<float>(), 0.99f, 1.01f);
        Assert.InRange(Largest("encoder.layers.0.self_attn.in_proj_weight"), 0.15f, (float)Math.Sqrt(6.0 / (64 + 192)));
        Assert.InRange(Largest("encoder.layers.0.linear1.bias"), 0.1f, 0.125f);
        Assert.InRange(Largest("encoder.layers.1.linear2.weight"), 0.08f, (float)(1 / Math.Sqrt(128)));
        Assert.All(["self_attn.in_proj_bias", "self_attn.out_proj.bias", "norm1.bias"], name => Assert.Equal(0, Largest("encoder.layers.1." + name)));
        Assert.Equal(1, model.Named["encoder.layers.0.norm2.weight"].min().item<float>());
    }

    [Fact]
    public void A_saved_model_loads_with_the_same_weights_vocabulary_and_heads()
    {
        string path = Path.Combine(folder, "model.safetensors");
        using SimpleTransformer model = Shaken(Shape);
        model.Save(path);
        using SimpleTransformer loaded = SimpleTransformer.Load(path);
        Assert.Equal(model.Config, loaded.Config);
        Assert.Equal(Letters, loaded.Vocabulary.Text);
        Assert.Equal(model.Named.Keys, loaded.Named.Keys);
        Assert.All(model.Named, pair => Assert.True(equal(pair.Value, loaded.Named[pair.Key]).all().item<bool>(), pair.Key));
        Assert.Equal(model.NextLine("abc"), loaded.NextLine("abc"));
    }

    [Theory]
    [InlineData("heads")]
    [InlineData("vocabulary")]
    [InlineData("output.bias")]
    [InlineData("position_embedding.weight")]
    [InlineData("more")]
    [InlineData("NaN")]
    public void A_file_that_is_no_such_model_is_refused_by_name(string wrong)
    {
        string path = Path.Combine(folder, "model.safetensors");
        using SimpleTransformer model = Shaken(Shape);
        var metadata = new Dictionary<string, string> { ["heads"] = wrong == "heads" ? "5" : "3", ["dropout"] = "0.1", ["vocabulary"] = wrong == "vocabulary" ? "abc" : Letters };
        Dictionary<string, Tensor> tensors = model.Named.Where(pair => pair.Key != wrong).ToDictionary(pair => pair.Key, pair => wrong == "NaN" && pair.Key == "output.weight" ? full_like(pair.Value, float.NaN) : pair.Value);
        if (wrong == "more") tensors.Add("more", zeros(3));
        SafetensorsWriter.Write(path, tensors, metadata);
        UserErrorException error = Assert.Throws<UserErrorException>(() => SimpleTransformer.Load(path));
        Assert.Contains(wrong, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_that_the_model_cannot_read_are_refused()
    {
        using SimpleTransformer model = Shaken(Shape);
        string Message(int[] line)
        {
            using Tensor tokens = TokensOf([line]);
            return Assert.Throws<UserErrorException>(() => model.Forward(tokens)).Message;
        }
        Assert.Contains("10 characters", Message([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), StringComparison.Ordinal);
        Assert.Contains("12", Message([0, 12]), StringComparison.Ordinal);
        Assert.Contains("-1", Message([-1]), StringComparison.Ordinal);
        Assert.Contains("nothing but padding", Message([11, 11]), StringComparison.Ordinal);
        Assert.Contains("empty", Assert.Throws<UserErrorException>(() => model.NextLine("")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_vocabulary_is_the_distinct_characters_in_order_and_names_those_it_lacks()
    {
        SimpleTransformerVocabulary vocabulary = SimpleTransformerVocabulary.Of("so, élan: 😀 so");
        Assert.Equal(" ,:alnosé😀", vocabulary.Text);
        Assert.Equal(10, vocabulary.Size);
        Assert.Equal(10, vocabulary.PaddingId);
        Assert.Equal("😀 so", vocabulary.Decode(vocabulary.Encode("😀 so", "it")));
        UserErrorException error = Assert.Throws<UserErrorException>(() => vocabulary.Encode("so\n? x?", "the prompt"));
        Assert.Contains("the prompt has 3 characters that the text does not: U+000A, '?' (U+003F), 'x' (U+0078)", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A model whose weights are all far from their special first values, so that no bias or norm can be forgotten unseen.</summary>
    internal static SimpleTransformer Shaken(SimpleTransformerConfig shape)
    {
        var model = new SimpleTransformer(SimpleTransformerVocabulary.Of(Letters), shape, seed: 2);
        var random = new SeededRandom(9);
        using var gradients = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in model.Named.Values)
        {
            foreach (ref float value in TensorMemory.Floats(parameter)) value += (float)(0.3 * random.NextNormal());
        }
        return model;
    }

    internal static Tensor TokensOf(int[][] lines) => tensor(lines.SelectMany(line => line).Select(id => (long)id).ToArray()).view(lines.Length, lines[0].Length);

    private static void Agree(double[][] expected, Tensor given, string what)
    {
        double[] all = [.. expected.SelectMany(row => row)];
        float[] ours = [.. given.contiguous().data<float>()];
        Assert.Equal(all.Length, ours.Length);
        double worst = all.Zip(ours, (a, b) => Math.Abs(a - b)).Max(), most = all.Max(Math.Abs);
        TestContext.Current.SendDiagnosticMessage($"{what}: largest difference {worst:E1} of {most:F2}");
        Assert.True(worst <= 5e-6 * most, $"{what}: largest difference {worst:E2}, largest value {most:F3}");
    }
}
