using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// The attention of few queries to tokens that have neither key nor value: the maps are applied to the queries and to what they
/// take, which is far less than mapping every token where a handful of queries is all that anybody wants of a text.
/// <code>
/// q . (W_k x_t + b_k)             =  (W_k^T q) . x_t + q . b_k       the last is the same for all t: softmax does not see it
/// sum_t p_t (W_v x_t + b_v)       =  W_v^T (sum_t p_t x_t) + b_v     since sum_t p_t = 1
/// </code>
/// </summary>
internal static class KeylessAttention
{
    /// <summary>Whether a block's attention can be had so, over so many tokens: keys are neither turned nor normed, and nothing is hidden or capped.</summary>
    internal static bool Suits(TransformerConfig config, BlockWeights weights, int layer, long tokens) =>
        config.Attention[layer] is { Rotary: null } attention && !(attention.Window < tokens) && config.AttentionSoftCap is null
        && !AttentionPattern.LosesDigits(config, layer) && weights.KeyNorm is null && weights.QueryKeyValue.Apart(config) is not null;

    /// <summary>What the block's attention adds for alternatives of the token that follows some others; each sees those and itself.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="weights">The block.</param>
    /// <param name="layer">Its number.</param>
    /// <param name="before">Residual stream of the others [b, n, d_model].</param>
    /// <param name="alternatives">Residual stream of the alternatives [b, m, d_model].</param>
    /// <returns>[b, m, d_model].</returns>
    internal static Tensor Forward(TransformerConfig config, BlockWeights weights, int layer, Tensor before, Tensor alternatives)
    {
        long b = before.shape[0], n = before.shape[1], m = alternatives.shape[1], d = config.DModel;
        int heads = config.KeyValueHeads, group = config.Heads / heads;
        (Linear query, Linear key, Linear value) = weights.QueryKeyValue.Apart(config)!.Value;
        Tensor x = Normalisation.Apply(config, weights.Norm1, cat([before, alternatives], 1));
        Tensor q = query.Apply(x.narrow(1, n, m)).view(b, m, config.Heads, config.DHead);
        if (weights.QueryNorm is { } queryNorm) q = Normalisation.Apply(config, queryNorm, q);
        // The queries of the heads that share a key, through the map to that key: [heads, b * m * group, d_model].
        Tensor asked = ByHead(q.view(b, m, heads, group, config.DHead)).bmm(key.Weight.view(d, heads, config.DHead).permute(1, 2, 0));
        Tensor scores = ByText(asked, b, m, group).bmm(x.transpose(1, 2)) * config.Attention[layer].Scale;
        scores = scores.view(b, heads, m, group, n + m).masked_fill(Others(n, m).view(1, 1, m, 1, n + m), double.NegativeInfinity).view(scores.shape);
        Tensor taken = scores.softmax(-1).bmm(x).view(b, heads, m * group, d).transpose(0, 1).reshape(heads, -1, d);
        Tensor z = taken.bmm(value.Weight.view(d, heads, config.DHead).transpose(0, 1));
        if (value.Bias is { } bias) z += bias.view(heads, 1, config.DHead);
        Tensor output = weights.AttentionOutput.Apply(z.view(heads, b, m, group, config.DHead).permute(1, 2, 0, 3, 4).reshape(b, m, -1));
        return weights.PostNorm1 is { } postNorm ? Normalisation.Apply(config, postNorm, output) : output;
    }

    // [b, m, heads, group, d] -> [heads, b * m * group, d]
    private static Tensor ByHead(Tensor q) => q.permute(2, 0, 1, 3, 4).reshape(q.shape[2], -1, q.shape[4]);

    // [heads, b * m * group, d] -> [b, heads * m * group, d]
    private static Tensor ByText(Tensor asked, long b, long m, int group) =>
        asked.view(asked.shape[0], b, m * group, asked.shape[2]).transpose(0, 1).reshape(b, -1, asked.shape[2]);

    // [m, n + m]: true where an alternative must not look, at the others.
    private static Tensor Others(long n, long m) => cat([zeros(m, n, dtype: ScalarType.Bool), eye(m, dtype: ScalarType.Bool).logical_not()], 1);
}
