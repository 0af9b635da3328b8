using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>Which positions see which, and what they take from there.</summary>
internal static class AttentionPattern
{
    /// <summary>
    /// Values weighted by the softmax of scaled query-key products. The queries are those of the last positions of the keys,
    /// which may be more where earlier tokens were seen in an earlier pass.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="layer">The block.</param>
    /// <param name="q">Queries [b, heads, t, d_head].</param>
    /// <param name="k">Keys [b, key_value_heads, seen, d_head].</param>
    /// <param name="v">Values [b, key_value_heads, seen, d_head].</param>
    /// <returns>[b, heads, t, d_head], or null where the pass ended at the scores or the pattern.</returns>
    internal static Tensor? Attend(ForwardPass pass, int layer, Tensor q, Tensor k, Tensor v)
    {
        bool seen = pass.Wants(HookSite.AttnScores, layer) || pass.Wants(HookSite.AttnPattern, layer);
        // The fused kernel never builds the [t, seen] scores; it is used unless a hook wants to see them or a cap changes them.
        return seen || pass.Config.AttentionSoftCap is not null || LosesDigits(pass.Config, layer) ? Eager(pass, layer, q, k, v) : Fused(pass.Config, layer, q, k, v);
    }

    // The fused kernel divides by sqrt(d_head); any other scale goes into the queries.
    private static double Correction(TransformerConfig config, int layer) => config.Attention[layer].Scale * Math.Sqrt(config.DHead);

    // Scores that are larger than usual (GPT-Neo's are not scaled at all) carry every rounding far into the pattern, so that two
    // more than the reference makes would show; a power of two rounds nothing.
    internal static bool LosesDigits(TransformerConfig config, int layer) => Correction(config, layer) is > 1 + 1e-12 and var correction && !double.IsPow2(correction);

    private static Tensor Fused(TransformerConfig config, int layer, Tensor q, Tensor k, Tensor v)
    {
        double correction = Correction(config, layer);
        Tensor query = Math.Abs(correction - 1) < 1e-12 ? q : q * correction;
        long length = q.shape[2], seen = k.shape[2];
        int group = config.Heads / config.KeyValueHeads;
        if (length == 1 && !Narrows(config, layer, seen))
        {
            // One query sees everything: the heads of a group become the queries of their common keys.
            Tensor grouped = query.reshape(q.shape[0], config.KeyValueHeads, group, config.DHead);
            return nn.functional.scaled_dot_product_attention(grouped, k, v).reshape(q.shape);
        }
        (k, v) = (Repeated(k, group), Repeated(v, group));
        if (length == seen && !Narrows(config, layer, seen)) return nn.functional.scaled_dot_product_attention(query, k, v, is_casual: true);
        return nn.functional.scaled_dot_product_attention(query, k, v, Hidden(config, layer, length, seen).logical_not());
    }

    private static Tensor? Eager(ForwardPass pass, int layer, Tensor q, Tensor k, Tensor v)
    {
        TransformerConfig config = pass.Config;
        int group = config.Heads / config.KeyValueHeads;
        (k, v) = (Repeated(k, group), Repeated(v, group));
        long length = q.shape[2], seen = k.shape[2];
        Tensor scores = q.reshape(-1, length, config.DHead).bmm(k.reshape(-1, seen, config.DHead).transpose(1, 2)) * config.Attention[layer].Scale;
        if (config.AttentionSoftCap is { } cap) scores = (scores / cap).tanh() * cap;
        Tensor masked = scores.masked_fill(Hidden(config, layer, length, seen), double.NegativeInfinity);
        scores = pass.At(HookSite.AttnScores, layer, masked.view(q.shape[0], q.shape[1], length, seen));
        if (pass.Taps.Finished) return null;
        Tensor pattern = pass.At(HookSite.AttnPattern, layer, scores.softmax(-1));
        if (pass.Taps.Finished) return null;
        return pattern.reshape(-1, length, seen).bmm(v.reshape(-1, seen, config.DHead)).view(q.shape);
    }

    // Whether the block's window hides any of so many positions.
    private static bool Narrows(TransformerConfig config, int layer, long seen) => config.Attention[layer].Window < seen;

    // [t, seen]: true where a query must not look, since the key is later or too far back.
    private static Tensor Hidden(TransformerConfig config, int layer, long length, long seen)
    {
        Tensor all = ones(length, seen, dtype: ScalarType.Bool), later = all.triu(seen - length + 1);
        return Narrows(config, layer, seen) ? later.logical_or_(all.tril(seen - length - config.Attention[layer].Window!.Value)) : later;
    }

    // [b, heads, seen, d_head] from [b, key_value_heads, seen, d_head]: each head once for every query head of its group.
    private static Tensor Repeated(Tensor x, int group)
    {
        if (group == 1) return x;
        long[] shape = x.shape;
        return x.unsqueeze(2).expand(-1, -1, group, -1, -1).reshape(shape[0], -1, shape[2], shape[3]);
    }
}
