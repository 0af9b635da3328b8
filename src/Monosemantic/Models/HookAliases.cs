using System.Text.RegularExpressions;

namespace Monosemantic.Models;

/// <summary>
/// Other spellings of hook points: TransformerLens's short names (<c>resid_post3</c>, <c>k6</c>, <c>pre5</c>,
/// <c>scale4ln1</c>, <c>resid_post_layer_3</c>), those of its newer bridge (<c>blocks.3.hook_in</c>, <c>blocks.3.hook_out</c>), and the paths
/// of whole blocks in the reference library (<c>model.layers.3</c>, <c>transformer.h.3</c>), which mean what the block puts out.
/// </summary>
internal static partial class HookAliases
{
    private static readonly Dictionary<string, string> InBlock = new(StringComparer.Ordinal)
    {
        ["hook_in"] = "hook_resid_pre",
        ["ln2.hook_in"] = "hook_resid_mid",
        ["hook_out"] = "hook_resid_post",
        ["attn.hook_attn"] = "attn.hook_pattern",
        ["attn.hook_scores"] = "attn.hook_attn_scores",
        ["attn.hook_logits"] = "attn.hook_attn_scores",
    };

    private static readonly Dictionary<string, string> Short = new(StringComparer.Ordinal)
    {
        ["attn"] = "attn.hook_pattern",
        ["attn_logits"] = "attn.hook_attn_scores",
        ["attn_scores"] = "attn.hook_attn_scores",
        ["key"] = "attn.hook_k",
        ["query"] = "attn.hook_q",
        ["value"] = "attn.hook_v",
        ["mlp_pre"] = "mlp.hook_pre",
        ["mlp_post"] = "mlp.hook_post",
        ["pre"] = "mlp.hook_pre",
        ["pre_linear"] = "mlp.hook_pre_linear",
        ["post"] = "mlp.hook_post",
    };

    private static readonly HashSet<string> OfAttention = ["q", "k", "v", "z", "rot_q", "rot_k", "pattern"];

    /// <summary>The full spelling, or the name itself where it is no alias.</summary>
    internal static string Canonical(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (BlockPath().Match(name) is { Success: true } path) return $"blocks.{path.Groups["layer"].Value}.hook_resid_post";
        if (Full().Match(name) is { Success: true } full && InBlock.TryGetValue(full.Groups["rest"].Value, out string? renamed)) return $"blocks.{full.Groups["layer"].Value}.{renamed}";
        if (name is "embed" or "pos_embed") return $"hook_{name}";
        return ShortName().Match(name) is { Success: true } found ? Expanded(found) : name;
    }

    private static string Expanded(Match found)
    {
        string site = found.Groups["site"].Value, norm = found.Groups["norm"].Value, block = $"blocks.{found.Groups["layer"].Value}.";
        if (norm.Length > 0) return $"{block}{norm}.hook_{site}";
        if (Short.TryGetValue(site, out string? hook)) return block + hook;
        return OfAttention.Contains(site) ? $"{block}attn.hook_{site}" : $"{block}hook_{site}";
    }

    [GeneratedRegex(@"^(model\.|transformer\.|gpt_neox\.)?(layers|h)\.(?<layer>\d+)$")]
    private static partial Regex BlockPath();

    [GeneratedRegex(@"^blocks\.(?<layer>\d+)\.(?<rest>.+)$")]
    private static partial Regex Full();

    [GeneratedRegex(@"^(?!hook_)(?<site>[a-z]+(_[a-z]+)*?)(_layer_|_)?(?<layer>\d+)(?<norm>ln1|ln2|ln1_post|ln2_post)?$")]
    private static partial Regex ShortName();
}
