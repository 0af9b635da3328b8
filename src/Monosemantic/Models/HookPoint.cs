using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

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
        [HookSite.AttnRotQ] = "attn.hook_rot_q",
        [HookSite.AttnRotK] = "attn.hook_rot_k",
        [HookSite.AttnScores] = "attn.hook_attn_scores",
        [HookSite.AttnPattern] = "attn.hook_pattern",
        [HookSite.AttnZ] = "attn.hook_z",
        [HookSite.Ln1PostScale] = "ln1_post.hook_scale",
        [HookSite.Ln1PostNormalized] = "ln1_post.hook_normalized",
        [HookSite.AttnOut] = "hook_attn_out",
        [HookSite.ResidMid] = "hook_resid_mid",
        [HookSite.Ln2Scale] = "ln2.hook_scale",
        [HookSite.Ln2Normalized] = "ln2.hook_normalized",
        [HookSite.MlpPre] = "mlp.hook_pre",
        [HookSite.MlpPreLinear] = "mlp.hook_pre_linear",
        [HookSite.MlpPost] = "mlp.hook_post",
        [HookSite.Ln2PostScale] = "ln2_post.hook_scale",
        [HookSite.Ln2PostNormalized] = "ln2_post.hook_normalized",
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

    /// <summary>Every hook point of a model, in forward order.</summary>
    /// <param name="config">The model's shape.</param>
    public static IReadOnlyList<HookPoint> AllOf(TransformerConfig config)
    {
        HookSite[] sites = [.. Enum.GetValues<HookSite>().Where(site => Absence(config, site) is null)];
        IEnumerable<HookPoint> blocks = Enumerable.Range(0, config.Layers).SelectMany(_ => sites.Where(IsInBlock), (layer, site) => new HookPoint(site, layer));
        IEnumerable<HookPoint> outer = sites.Where(site => !IsInBlock(site)).Select(site => new HookPoint(site, -1));
        return [.. outer.Where(point => point.Site <= HookSite.PosEmbed), .. blocks, .. outer.Where(point => point.Site > HookSite.PosEmbed)];
    }

    /// <summary>Why models of a shape have no such point, or null where they have it.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="site">Which value.</param>
    public static string? Absence(TransformerConfig config, HookSite site)
    {
        ArgumentNullException.ThrowIfNull(config);
        return site switch
        {
            HookSite.PosEmbed when !config.LearnedPositions => "its positions are not added to the embeddings; queries and keys are rotated by them instead",
            HookSite.ResidMid when config.ParallelResidual => "attention and MLP of a block read the same residual stream, so that there is none between them",
            HookSite.MlpPreLinear when !config.GatedMlp => "its MLPs are not gated",
            HookSite.AttnRotQ or HookSite.AttnRotK when !config.Rotates => "its queries and keys are not rotated",
            HookSite.Ln1PostScale or HookSite.Ln1PostNormalized or HookSite.Ln2PostScale or HookSite.Ln2PostNormalized when !config.PostNorms =>
                "what its attention and MLPs add is not normalised",
            _ => null,
        };
    }

    /// <summary>
    /// Reads a name such as <c>blocks.4.hook_resid_post</c> or <c>blocks.0.mlp.hook_post</c>, or a common alias of one: see
    /// <see cref="HookAliases"/>.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <exception cref="UserErrorException">It names no hook point.</exception>
    public static HookPoint Parse(string name) => TryParse(HookAliases.Canonical(name), out HookPoint? point)
        ? point.Value
        : throw new UserErrorException($"'{name}' is not a hook point", Nearest(name) is { } near ? $"did you mean {near}?" : "write it as blocks.2.hook_resid_post, blocks.2.mlp.hook_post, blocks.2.attn.hook_z or hook_embed");

    /// <summary>The full spelling of a name or alias; null where it names no hook point.</summary>
    internal static string? CanonicalName(string name) => TryParse(HookAliases.Canonical(name), out HookPoint? point) ? point.Value.ToString() : null;

    /// <summary>The name in the spelling of TransformerLens.</summary>
    public override string ToString() => IsInBlock(Site) ? $"blocks.{Layer}.{Names[Site]}" : Names[Site];

    // Longer names are no slips of the finger.
    private static string? Nearest(string name)
    {
        if (name.Length > 80) return null;
        string layer = new([.. name.SkipWhile(letter => !char.IsAsciiDigit(letter)).TakeWhile(char.IsAsciiDigit)]);
        return Suggestion.Nearest(name, Names.Select(pair => IsInBlock(pair.Key) ? $"blocks.{(layer.Length > 0 ? layer : "0")}.{pair.Value}" : pair.Value));
    }

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
