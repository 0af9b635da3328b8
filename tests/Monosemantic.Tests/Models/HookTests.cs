using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class HookTests : IDisposable
{
    private readonly Transformer model;
    private readonly Tensor tokens = tensor(new long[] { 3, 1, 4, 1, 5, 9, 2, 6 }).view(2, 4);

    public HookTests()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: 11, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        // Larger than at initialisation, so that attention is far from uniform.
        foreach (Tensor weight in weights.Values) weight.mul_(8);
        model = new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "toy", "");
    }

    public void Dispose()
    {
        model.Dispose();
        tokens.Dispose();
    }

    [Fact]
    public void Every_point_is_called_once_in_forward_order()
    {
        var called = new List<HookPoint>();
        using Tensor logits = model.Forward(tokens, (at, value) =>
        {
            called.Add(at);
            return value;
        });
        Assert.Equal(model.HookPoints, called);
    }

    [Fact]
    public void Reading_changes_nothing_beyond_rounding()
    {
        using Tensor plain = model.Forward(tokens);
        using Tensor hooked = model.Forward(tokens, (_, value) => value);
        Assert.True((plain - hooked).abs().max().item<float>() < 1e-5f * plain.abs().max().item<float>());
    }

    [Fact]
    public void Zeroing_one_head_subtracts_that_head_from_what_attention_adds()
    {
        const int head = 2;
        HookPoint z = HookPoint.Parse("blocks.1.attn.hook_z"), outAt = HookPoint.Parse("blocks.1.hook_attn_out");
        Tensor? whole = null, contribution = null, without = null;
        model.Run(tokens, (at, value) =>
        {
            if (at == outAt) whole = value.clone().DetachFromDisposeScope();
            else
            {
                Tensor rows = model.Weights.Blocks[1].AttentionOutput.Weight.narrow(0, head * 4, 4);
                contribution = value.select(2, head).reshape(-1, 4).mm(rows).view(2, 4, 16).DetachFromDisposeScope();
            }
            return value;
        }, z, outAt);
        model.Run(tokens, (at, value) =>
        {
            if (at == outAt) without = value.clone().DetachFromDisposeScope();
            else value.select(2, head).zero_();
            return value;
        }, z, outAt);

        Assert.True((whole! - contribution! - without!).abs().max().item<float>() < 1e-5f * whole!.abs().max().item<float>());
        Assert.True(contribution!.abs().max().item<float>() > 1e-3f);
        foreach (Tensor tensor in new[] { whole, contribution, without! }) tensor.Dispose();
    }

    [Fact]
    public void A_run_computes_nothing_beyond_the_last_wanted_point()
    {
        // Without its weights the second block cannot be computed at all.
        foreach ((string name, Tensor weight) in model.Named)
        {
            if (name.StartsWith("transformer.h.1.", StringComparison.Ordinal)) weight.Dispose();
        }
        var called = new List<string>();
        model.Run(tokens, (at, value) =>
        {
            called.Add(at.ToString());
            return value;
        }, HookPoint.Parse("blocks.0.hook_resid_post"), HookPoint.Parse("hook_embed"));
        Assert.Equal(["hook_embed", "blocks.0.hook_resid_post"], called);
    }

    [Fact]
    public void A_point_that_does_not_exist_is_refused() =>
        Assert.Throws<UserErrorException>(() => model.Run(tokens, (_, value) => value, HookPoint.Parse("blocks.7.hook_resid_post")));

    [Theory]
    [InlineData("")]
    [InlineData("blocks.x.hook_resid_post")]
    [InlineData("blocks.1.hook_embed")]
    [InlineData("hook_resid_post")]
    [InlineData("blocks.-1.hook_resid_post")]
    public void A_name_that_is_no_point_is_refused(string name) => Assert.Throws<UserErrorException>(() => HookPoint.Parse(name));

    [Fact]
    public void Every_point_prints_what_it_parses() =>
        Assert.All(model.HookPoints, point => Assert.Equal(point, HookPoint.Parse(point.ToString())));

    [Fact]
    public void Tokens_outside_the_vocabulary_and_contexts_too_long_are_refused()
    {
        using Tensor outside = full([1, 3], 11L, dtype: ScalarType.Int64), tooLong = zeros([1, 9], dtype: ScalarType.Int64);
        Assert.Throws<UserErrorException>(() => model.Forward(outside));
        Assert.Throws<UserErrorException>(() => model.Forward(tooLong));
    }
}
