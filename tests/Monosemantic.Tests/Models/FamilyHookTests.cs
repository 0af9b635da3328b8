using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>What a hook does, at every point of every family.</summary>
public sealed class FamilyHookTests
{
    public static TheoryData<string> Families() => [.. FamilyModel.Names];

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_point_is_called_once_in_forward_order(string name)
    {
        using var family = new FamilyModel(name);
        var called = new List<HookPoint>();
        family.Model.Forward(family.Tokens, (at, value) =>
        {
            called.Add(at);
            return value;
        }).Dispose();
        Assert.Equal(family.Model.HookPoints, called);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_value_replaced_by_itself_changes_nothing(string name)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        foreach (HookPoint point in family.Model.HookPoints)
        {
            Tensor read = family.Model.Forward(family.Tokens, (_, value) => value, point);
            Tensor replaced = family.Model.Forward(family.Tokens, (_, value) => value.clone(), point);
            Assert.True(read.bytes.SequenceEqual(replaced.bytes), point.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void An_edit_at_any_point_reaches_the_logits(string name)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        foreach (HookPoint point in family.Model.HookPoints)
        {
            Tensor read = family.Model.Forward(family.Tokens, (_, value) => value, point);
            Tensor edited = family.Model.Forward(family.Tokens, (_, value) => Unlike(point, value), point);
            Assert.True((read - edited).abs().max().item<float>() > 1e-4f, point.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_block_goes_on_from_what_the_block_before_was_made_to_put_out(string name)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        Tensor other = randn(2, 6, family.Model.Config.DModel);
        Tensor after = family.Model.Forward(family.Tokens, (_, _) => other.alias(), new HookPoint(HookSite.ResidPost, 0));
        Tensor before = family.Model.Forward(family.Tokens, (_, _) => other.alias(), new HookPoint(HookSite.ResidPre, 1));
        Assert.True(after.bytes.SequenceEqual(before.bytes));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Zeroing_one_head_subtracts_what_it_adds(string name)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        (TransformerConfig config, int head) = (family.Model.Config, family.Model.Config.Heads - 1);
        HookPoint z = new(HookSite.AttnZ, 1);
        Tensor Zeroed(HookPoint at, Tensor value)
        {
            Tensor kept = value.clone();
            kept.select(2, head).zero_();
            return kept;
        }
        Tensor rows = family.Model.Weights.Blocks[1].AttentionOutput.Weight.narrow(0, (long)head * config.DHead, config.DHead);
        Tensor contribution = family.Value(z).select(2, head).reshape(-1, config.DHead).mm(rows).view(2, 6, -1);
        Tensor whole = Written(family, null), without = Written(family, Zeroed, z);
        Assert.True((whole - contribution - without).abs().max().item<float>() < 2e-5f * whole.abs().max().item<float>());
        Assert.True(contribution.abs().max().item<float>() > 1e-2f);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_run_computes_nothing_beyond_the_last_wanted_point(string name)
    {
        using var family = new FamilyModel(name);
        HookPoint[] first = [.. family.Model.HookPoints.Where(point => point.Layer == 0)];
        // Without its weights the second block cannot be computed at all.
        foreach (Tensor weight in family.Model.Weights.Blocks[1].Tensors().OfType<Tensor>()) weight.Dispose();
        foreach (HookPoint point in first)
        {
            var called = new List<HookPoint>();
            family.Model.Run(family.Tokens, (at, value) =>
            {
                called.Add(at);
                return value;
            }, point);
            Assert.Equal([point], called);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Writing_into_a_value_never_writes_into_the_weights(string name)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        Tensor one = family.Tokens.narrow(0, 0, 1), before = family.Model.Forward(one);
        family.Model.Forward(one, (_, value) => value.zero_());
        Assert.True(before.bytes.SequenceEqual(family.Model.Forward(one).bytes));
    }

    [Theory]
    [InlineData("gpt_neox", "blocks.0.hook_resid_mid", "read the same residual stream")]
    [InlineData("llama", "hook_pos_embed", "rotated")]
    [InlineData("gpt2", "blocks.0.attn.hook_rot_q", "not rotated")]
    [InlineData("gpt2", "blocks.0.mlp.hook_pre_linear", "not gated")]
    [InlineData("gemma", "blocks.0.ln1_post.hook_scale", "not normalised")]
    [InlineData("gemma2", "blocks.3.hook_resid_post", "blocks 0..2")]
    public void A_point_that_a_family_does_not_have_is_refused_with_the_reason(string name, string point, string reason)
    {
        using var family = new FamilyModel(name);
        UserErrorException error = Assert.Throws<UserErrorException>(() => family.Model.Run(family.Tokens, (_, value) => value, HookPoint.Parse(point)));
        Assert.Contains(point, error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_points_rows_are_as_wide_as_the_model_says(string name)
    {
        using var family = new FamilyModel(name);
        foreach (HookPoint point in family.Model.HookPoints.Where(point => point.Site is not (HookSite.AttnScores or HookSite.AttnPattern)))
        {
            using Tensor value = family.Value(point);
            Assert.Equal(12 * family.Model.Width(point), value.numel());
        }
    }

    // Reversed features or heads, and divisors that differ from position to position, are symmetries of nothing.
    private static Tensor Unlike(HookPoint point, Tensor value) => point.Site switch
    {
        HookSite.AttnScores or HookSite.AttnPattern => value.flip(1),
        _ when value.shape[^1] == 1 => value * linspace(1, 2, value.shape[1]).view(1, -1, 1),
        _ => value.flip(-1),
    };

    // What attention adds, before the norm after it where the family has one.
    private static Tensor Written(FamilyModel family, Func<HookPoint, Tensor, Tensor>? edit, params HookPoint[] edited)
    {
        if (!family.Model.Config.PostNorms) return family.Value(new(HookSite.AttnOut, 1), edit, edited);
        return family.Value(new(HookSite.Ln1PostNormalized, 1), edit, edited) * family.Value(new(HookSite.Ln1PostScale, 1), edit, edited);
    }
}
