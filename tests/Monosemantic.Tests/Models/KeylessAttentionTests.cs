using Monosemantic.Models;
using Monosemantic.Models.Families;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Attention without keys and values against attention with them, over each alternative's own text.</summary>
public sealed class KeylessAttentionTests
{
    private const int Width = 12, Heads = 6, HeadWidth = 5, Texts = 3;

    // Keys of their own and in groups; none, one and several tokens before; maps apart and joined; with the norms that others have.
    [Theory]
    [InlineData(6, 4, 1, false, false, NormKind.Layer)]
    [InlineData(2, 7, 2, false, true, NormKind.RootMeanSquare)]
    [InlineData(3, 1, 3, true, true, NormKind.RootMeanSquareOnePlus)]
    [InlineData(1, 0, 2, true, false, NormKind.Layer)]
    public void Equals_attention_with_keys(int keyHeads, int before, int alternatives, bool joined, bool norms, NormKind norm)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(11);
        TransformerConfig config = Gpt2.Shape(layers: 1, Width, Heads, vocabularySize: 5, positions: 16) with { KeyValueHeads = keyHeads, DHead = HeadWidth, Norm = norm, Attention = [new AttentionConfig(0.37)] };
        BlockWeights weights = Weights(keyHeads, joined, norms);
        Tensor seen = randn(Texts, before, Width), last = randn(Texts, alternatives, Width);
        Assert.True(KeylessAttention.Suits(config, weights, 0, before + 1));
        Tensor found = KeylessAttention.Forward(config, weights, 0, seen, last);
        for (int i = 0; i < alternatives; i++)
        {
            var pass = new ForwardPass(config, HookTaps.None, 0, before + 1);
            Tensor expected = Attention.Forward(pass, weights, 0, cat([seen, last.narrow(1, i, 1)], 1))!.select(1, before);
            Assert.True((found.select(1, i) - expected).abs().max().item<float>() < 1e-5 * expected.abs().max().item<float>(), $"alternative {i}");
        }
        // An attention that looked at nothing, or at one token alone, would not tell them apart.
        Assert.True(before == 0 || (KeylessAttention.Forward(config, weights, 0, seen.flip(2), last) - found).abs().max().item<float>() > 1e-2);
    }

    [Fact]
    public void Suits_neither_turned_nor_normed_nor_hidden_nor_capped_keys()
    {
        using var scope = NewDisposeScope();
        TransformerConfig config = Gpt2.Shape(layers: 1, Width, Heads, vocabularySize: 5, positions: 16) with { KeyValueHeads = 2, DHead = HeadWidth, Attention = [new AttentionConfig(0.37, Window: 4)] };
        BlockWeights weights = Weights(2, joined: false, norms: false);
        var rotary = new RotaryConfig { Dimensions = 4, Theta = 100 };
        Assert.True(KeylessAttention.Suits(config, weights, 0, 4));
        Assert.False(KeylessAttention.Suits(config, weights, 0, 5));
        Assert.False(KeylessAttention.Suits(config with { AttentionSoftCap = 3 }, weights, 0, 4));
        Assert.False(KeylessAttention.Suits(config with { Attention = [new AttentionConfig(0.37, Rotary: rotary)] }, weights, 0, 4));
        Assert.False(KeylessAttention.Suits(config with { Attention = [new AttentionConfig(1)] }, weights, 0, 4));
        Assert.False(KeylessAttention.Suits(config, weights with { KeyNorm = new Norm(ones(HeadWidth)) }, 0, 4));
        Assert.False(KeylessAttention.Suits(config, weights with { QueryKeyValue = new InterleavedMap(Map(Width, 3 * Heads * HeadWidth)) }, 0, 4));
    }

    private static BlockWeights Weights(int keyHeads, bool joined, bool norms)
    {
        int queries = Heads * HeadWidth, keys = keyHeads * HeadWidth;
        QueryKeyValue maps = joined ? new JoinedMap(Map(Width, queries + (2 * keys))) : new SeparateMaps(Map(Width, queries), Map(Width, keys), Map(Width, keys) with { Bias = null });
        return new BlockWeights(new Norm(rand(Width) + 0.5, norms ? null : randn(Width)), maps, Map(queries, Width), new Norm(ones(Width)), Map(Width, 4), Map(4, Width))
        {
            QueryNorm = norms ? new Norm(rand(HeadWidth) + 0.5) : null,
            PostNorm1 = norms ? new Norm(rand(Width) + 0.5) : null,
        };
    }

    private static Linear Map(int from, int to) => new(randn(from, to), randn(to));
}
