using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Models;

public sealed class HookAliasTests
{
    [Theory]
    [InlineData("resid_post3", "blocks.3.hook_resid_post")]
    [InlineData("resid_post_layer_12", "blocks.12.hook_resid_post")]
    [InlineData("mlp_out_2", "blocks.2.hook_mlp_out")]
    [InlineData("k6", "blocks.6.attn.hook_k")]
    [InlineData("rot_q1", "blocks.1.attn.hook_rot_q")]
    [InlineData("attn4", "blocks.4.attn.hook_pattern")]
    [InlineData("attn_scores0", "blocks.0.attn.hook_attn_scores")]
    [InlineData("pre5", "blocks.5.mlp.hook_pre")]
    [InlineData("pre_linear5", "blocks.5.mlp.hook_pre_linear")]
    [InlineData("scale4ln1", "blocks.4.ln1.hook_scale")]
    [InlineData("normalized27ln2", "blocks.27.ln2.hook_normalized")]
    [InlineData("embed", "hook_embed")]
    [InlineData("blocks.3.hook_in", "blocks.3.hook_resid_pre")]
    [InlineData("blocks.3.hook_out", "blocks.3.hook_resid_post")]
    [InlineData("blocks.3.attn.hook_scores", "blocks.3.attn.hook_attn_scores")]
    [InlineData("model.layers.5", "blocks.5.hook_resid_post")]
    [InlineData("gpt_neox.layers.5", "blocks.5.hook_resid_post")]
    [InlineData("layers.5", "blocks.5.hook_resid_post")]
    [InlineData("transformer.h.7", "blocks.7.hook_resid_post")]
    [InlineData("blocks.3.ln2_post.hook_scale", "blocks.3.ln2_post.hook_scale")]
    public void An_alias_means_its_point(string alias, string name) => Assert.Equal(name, HookPoint.Parse(alias).ToString());

    [Theory]
    [InlineData("blocks.3.hook_resid_pst", "blocks.3.hook_resid_post")]
    [InlineData("blocks.11.attn.hook_pattrn", "blocks.11.attn.hook_pattern")]
    [InlineData("block.2.mlp.hook_post", "blocks.2.mlp.hook_post")]
    [InlineData("hook_embbed", "hook_embed")]
    [InlineData("ln_final.hook_normalised", "ln_final.hook_normalized")]
    public void A_slip_of_the_finger_is_answered_with_the_nearest_point(string typed, string meant) =>
        Assert.Equal($"did you mean {meant}?", Assert.Throws<UserErrorException>(() => HookPoint.Parse(typed)).Hint);

    [Theory]
    [InlineData("resid_post")]
    [InlineData("unembed4")]
    [InlineData("layers.5.mlp")]
    [InlineData("blocks.5.mlp.hook_out")]
    [InlineData("hook_resid_post3")]
    public void What_could_mean_several_points_or_none_is_refused(string name) => Assert.Throws<UserErrorException>(() => HookPoint.Parse(name));
}
