using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class KeyValueCacheTests(ITestOutputHelper output)
{
    public static TheoryData<string> Fixtures(string test)
    {
        var data = new TheoryData<string>();
        foreach (string folder in Repository.FixtureRoots("models").SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal))
        {
            data.Add(new TheoryDataRow<string>(folder) { TestDisplayName = $"{test}({Path.GetFileName(folder)})" });
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Fixtures), nameof(Continuing_equals_one_pass_over_everything))]
    public void Continuing_equals_one_pass_over_everything(string folder)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        using Transformer model = Transformer.Load(folder);
        Tensor tokens = TokensOf(folder, model);
        Tensor whole = model.Forward(tokens);
        using var cache = new KeyValueCache(model.Config);
        var parts = new List<Tensor>();

        // A first part, single tokens, and a part that joins an earlier one: each takes its own way through the attention.
        for (long start = 0, length = tokens.shape[1]; start < length;)
        {
            long count = start == 0 ? (length + 5) / 6 : start < length / 2 ? 1 : Math.Min((length + 2) / 3, length - start);
            parts.Add(model.Continue(tokens.narrow(1, start, count), cache));
            start += count;
        }

        double difference = (cat(parts, 1) - whole).abs().max().item<float>(), largest = whole.abs().max().item<float>();
        output.WriteLine($"largest difference {difference:E2}, {difference / largest:E2} of the largest logit");
        Assert.Equal(tokens.shape[1], cache.Length);
        Assert.True(difference <= 2e-5 * largest, $"{difference:E3} > 2e-5 x {largest:E3}");
    }

    [Theory]
    [MemberData(nameof(Fixtures), nameof(Tokens_that_were_only_read_are_continued_as_predicted_ones_are))]
    public void Tokens_that_were_only_read_are_continued_as_predicted_ones_are(string folder)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        using Transformer model = Transformer.Load(folder);
        Tensor tokens = TokensOf(folder, model);
        long half = tokens.shape[1] / 2, rest = tokens.shape[1] - half;
        Tensor first = tokens.narrow(1, 0, half), second = tokens.narrow(1, half, rest);
        using KeyValueCache predicted = new(model.Config), read = new(model.Config);
        model.Continue(first, predicted).Dispose();

        model.Read(first, read);

        Assert.Equal(half, read.Length);
        Assert.True(model.Continue(second, read).eq(model.Continue(second, predicted)).all().item<bool>());
    }

    // What the reference read.
    private static Tensor TokensOf(string folder, Transformer model)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        Tensor tokens = expected.Read("input_ids");
        if (Enumerable.Range(1, (int)tokens.shape[1]).Any(length => model.Config.ChangesWithLength(length))) Assert.Skip("cached keys do not outlive a change of the rotation; the sampler starts anew there");
        return tokens;
    }

    [Fact]
    public void A_cache_refuses_more_tokens_than_the_model_has_positions()
    {
        using Transformer model = Toy();
        using var cache = new KeyValueCache(model.Config);
        using Tensor six = zeros(1, 6, dtype: ScalarType.Int64);
        model.Continue(six, cache).Dispose();

        UserErrorException error = Assert.Throws<UserErrorException>(() => model.Continue(six, cache));

        Assert.Contains("12 tokens", error.Message);
        Assert.Equal(6, cache.Length);
    }

    [Fact]
    public void Sampling_goes_on_beyond_the_models_positions()
    {
        using Transformer model = Toy();

        int[] tokens = TextSampler.Sample(model, [1], 40, new SamplingOptions(), new SeededRandom(5));

        Assert.Equal(40, tokens.Length);
        Assert.True(tokens.Distinct().Count() > 3);
        Assert.Equal(tokens, TextSampler.Sample(model, [1], 40, new SamplingOptions(), new SeededRandom(5)));
    }

    [Fact]
    public void Sampling_at_temperature_0_takes_the_likeliest_token_of_a_whole_pass()
    {
        using Transformer model = Toy();
        var expected = new List<long> { 1 };
        using var gradients = no_grad();
        for (int i = 0; i < 7; i++)
        {
            using var scope = NewDisposeScope();
            expected.Add(model.Forward(tensor(expected.ToArray()).unsqueeze(0))[0, -1].argmax().item<long>());
        }

        int[] tokens = TextSampler.Sample(model, [1], 7, new SamplingOptions(Temperature: 0), new SeededRandom(0));

        Assert.Equal(expected.Skip(1), tokens.Select(token => (long)token));
    }

    [Fact]
    public void A_nucleus_keeps_the_likeliest_tokens_and_their_proportions()
    {
        // Probabilities 0.5, 0.3, 0.15, 0.05: the first two reach 0.7.
        float[] logits = [MathF.Log(0.15f), MathF.Log(0.5f), MathF.Log(0.05f), MathF.Log(0.3f)];
        var chooser = new TokenChooser(new SamplingOptions(1, 0.7), new SeededRandom(11));
        int[] counts = new int[4];
        for (int i = 0; i < 20_000; i++) counts[chooser.Choose(logits)]++;

        Assert.Equal((0, 0), (counts[0], counts[2]));
        Assert.Equal(0.625, counts[1] / 20_000.0, 0.02);
    }

    private static Transformer Toy()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: 11, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        foreach (Tensor tensor in weights.Values.Where(tensor => tensor.dim() == 2)) tensor.mul_(20);
        return new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "toy", "");
    }
}
