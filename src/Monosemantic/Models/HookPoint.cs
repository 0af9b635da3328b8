using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Called at a hook point with the value there; what it returns is what the model goes on with.</summary>
/// <param name="at">Where in the model.</param>
/// <param name="value">The value there, such as [batch, position, d_model]; return it unchanged to only read it.</param>
/// <returns>The value to go on with, of the same shape.</returns>
public delegate torch.Tensor Hook(HookPoint at, torch.Tensor value);

/// <summary>The places in a model at which a value can be read or replaced.</summary>
public enum HookSite
{
    /// <summary>Token embeddings [b, t, d_model].</summary>
    Embed,

    /// <summary>Position embeddings [b, t, d_model]; only in models with learned positions.</summary>
    PosEmbed,

    /// <summary>Residual stream at the start of a block [b, t, d_model].</summary>
    ResidPre,

    /// <summary>Divisor of the norm before attention [b, t, 1].</summary>
    Ln1Scale,

    /// <summary>Normalised input of attention, before the norm's weight and bias [b, t, d_model].</summary>
    Ln1Normalized,

    /// <summary>Queries [b, t, head, d_head].</summary>
    AttnQ,

    /// <summary>Keys [b, t, head, d_head].</summary>
    AttnK,

    /// <summary>Values [b, t, head, d_head].</summary>
    AttnV,

    /// <summary>Attention scores after scaling and masking [b, head, t, t].</summary>
    AttnScores,

    /// <summary>Attention pattern: softmax of the scores [b, head, t, t].</summary>
    AttnPattern,

    /// <summary>Attention-weighted values per head, before the output matrix [b, t, head, d_head].</summary>
    AttnZ,

    /// <summary>What attention adds to the residual stream [b, t, d_model].</summary>
    AttnOut,

    /// <summary>Residual stream between attention and MLP [b, t, d_model].</summary>
    ResidMid,

    /// <summary>Divisor of the norm before the MLP [b, t, 1].</summary>
    Ln2Scale,

    /// <summary>Normalised input of the MLP, before the norm's weight and bias [b, t, d_model].</summary>
    Ln2Normalized,

    /// <summary>MLP neurons before the activation function [b, t, d_mlp].</summary>
    MlpPre,

    /// <summary>MLP neurons after the activation function [b, t, d_mlp].</summary>
    MlpPost,

    /// <summary>What the MLP adds to the residual stream [b, t, d_model].</summary>
    MlpOut,

    /// <summary>Residual stream at the end of a block [b, t, d_model].</summary>
    ResidPost,

    /// <summary>Divisor of the final norm [b, t, 1].</summary>
    LnFinalScale,

    /// <summary>Normalised final residual stream, before the norm's weight and bias [b, t, d_model].</summary>
    LnFinalNormalized,
}

/// <summary>A named place in a model, in the spelling of TransformerLens: <c>blocks.4.hook_resid_post</c>.</summary>
/// <param name="Site">Which value.</param>
/// <param name="Layer">Which block, from 0; -1 for the places outside the blocks.</param>
public readonly record struct HookPoint(HookSite Site, int Layer)
{
    private static readonly ImmutableDictionary<HookSite, string> Names = new Dictionary<HookSite, string>
    {
        [HookSite.Embed] = "hook_embed",
        [HookSite.PosEmbed] = "hook_pos_embed",
        [HookSite.ResidPre] = "hook_resid_pre",
        [HookSite.Ln1Scale] = "ln1.hook_scale",
        [HookSite.Ln1Normalized] = "ln1.hook_normalized",
        [HookSite.AttnQ] = "attn.hook_q",
        [HookSite.AttnK] = "attn.hook_k",
        [HookSite.AttnV] = "attn.hook_v",
        [HookSite.AttnScores] = "attn.hook_attn_scores",
        [HookSite.AttnPattern] = "attn.hook_pattern",
        [HookSite.AttnZ] = "attn.hook_z",
        [HookSite.AttnOut] = "hook_attn_out",
        [HookSite.ResidMid] = "hook_resid_mid",
        [HookSite.Ln2Scale] = "ln2.hook_scale",
        [HookSite.Ln2Normalized] = "ln2.hook_normalized",
        [HookSite.MlpPre] = "mlp.hook_pre",
        [HookSite.MlpPost] = "mlp.hook_post",
        [HookSite.MlpOut] = "hook_mlp_out",
        [HookSite.ResidPost] = "hook_resid_post",
        [HookSite.LnFinalScale] = "ln_final.hook_scale",
        [HookSite.LnFinalNormalized] = "ln_final.hook_normalized",
    }.ToImmutableDictionary();

    private static readonly ImmutableDictionary<string, HookSite> Sites = Names.ToImmutableDictionary(pair => pair.Value, pair => pair.Key);

    /// <summary>Whether a site lies inside a block, so that its point needs a layer.</summary>
    /// <param name="site">The site.</param>
    public static bool IsInBlock(HookSite site) =>
        site is not (HookSite.Embed or HookSite.PosEmbed or HookSite.LnFinalScale or HookSite.LnFinalNormalized);

    /// <summary>Reads a name such as <c>blocks.4.hook_resid_post</c> or <c>blocks.0.mlp.hook_post</c>.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="UserErrorException">It names no hook point.</exception>
    public static HookPoint Parse(string name) => TryParse(name, out HookPoint? point)
        ? point.Value
        : throw new UserErrorException($"'{name}' is not a hook point", "write it as blocks.2.hook_resid_post, blocks.2.mlp.hook_post, blocks.2.attn.hook_z or hook_embed");

    /// <summary>The name in the spelling of TransformerLens.</summary>
    public override string ToString() => IsInBlock(Site) ? $"blocks.{Layer}.{Names[Site]}" : Names[Site];

    private static bool TryParse(string? name, [NotNullWhen(true)] out HookPoint? point)
    {
        point = null;
        if (name is null) return false;
        if (Sites.TryGetValue(name, out HookSite outer) && !IsInBlock(outer))
        {
            point = new(outer, -1);
            return true;
        }
        string[] parts = name.Split('.', 3);
        if (parts is not ["blocks", var number, var rest] || !Sites.TryGetValue(rest, out HookSite site) || !IsInBlock(site)) return false;
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)) return false;
        point = new(site, layer);
        return true;
    }
}
