using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// One layer as PyTorch's <c>TransformerEncoderLayer</c> defines it with its defaults (post-norm, ReLU, attention without a
/// causal mask; Vaswani et al. 2017):
/// <code>
/// a = x + Dropout(Attention(x));     y = LayerNorm1(a)
/// n = ReLU(y W1^T + b1);             z = LayerNorm2(y + Dropout(Dropout(n) W2^T + b2))
/// Attention(x) = concat_h(Dropout(softmax(q_h k_h^T / sqrt(d_head) + mask)) v_h) W_out^T + b_out,  q, k, v = x W_in^T + b_in
/// </code>
/// Weights have PyTorch's names and layout: maps are [out, in], <c>in_proj</c> holds all queries, then keys, then values.
/// </summary>
internal sealed class SimpleTransformerLayer
{
    private const double NormEpsilon = 1e-5;
    private readonly int heads;
    private readonly Tensor inWeight, inBias, outWeight, outBias, weight1, bias1, weight2, bias2, normWeight1, normBias1, normWeight2, normBias2;

    /// <summary>Puts weights in their places.</summary>
    /// <param name="heads">Attention heads.</param>
    /// <param name="take">Gives the tensor of a name within the layer.</param>
    internal SimpleTransformerLayer(int heads, Func<string, Tensor> take)
    {
        this.heads = heads;
        (inWeight, inBias) = (take("self_attn.in_proj_weight"), take("self_attn.in_proj_bias"));
        (outWeight, outBias) = (take("self_attn.out_proj.weight"), take("self_attn.out_proj.bias"));
        (weight1, bias1) = (take("linear1.weight"), take("linear1.bias"));
        (weight2, bias2) = (take("linear2.weight"), take("linear2.bias"));
        (normWeight1, normBias1) = (take("norm1.weight"), take("norm1.bias"));
        (normWeight2, normBias2) = (take("norm2.weight"), take("norm2.bias"));
    }

    /// <summary>Names and shapes of a layer's weights, in the order in which they are initialised.</summary>
    internal static IEnumerable<(string Name, long[] Shape)> Names(SimpleTransformerConfig config) =>
    [
        ("self_attn.in_proj_weight", [3 * config.DModel, config.DModel]), ("self_attn.in_proj_bias", [3 * config.DModel]),
        ("self_attn.out_proj.weight", [config.DModel, config.DModel]), ("self_attn.out_proj.bias", [config.DModel]),
        ("linear1.weight", [config.FeedForward, config.DModel]), ("linear1.bias", [config.FeedForward]),
        ("linear2.weight", [config.DModel, config.FeedForward]), ("linear2.bias", [config.DModel]),
        ("norm1.weight", [config.DModel]), ("norm1.bias", [config.DModel]),
        ("norm2.weight", [config.DModel]), ("norm2.bias", [config.DModel]),
    ];

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[b, t, d_model].</param>
    /// <param name="mask">Added to the scores of every head: [b * heads, 1, t], 0 for a character and -infinity for padding.</param>
    /// <param name="dropout">What drops values in training; null otherwise.</param>
    /// <returns>The layer's output [b, t, d_model] and its neurons, n of the formula above [b, t, feed-forward].</returns>
    internal (Tensor Output, Tensor Neurons) Forward(Tensor x, Tensor mask, SimpleTransformerDropout? dropout)
    {
        long[] width = [x.shape[2]];
        Tensor Dropped(Tensor value) => dropout is null ? value : dropout.Apply(value);
        Tensor y = nn.functional.layer_norm(x + Dropped(Attention(x, mask, dropout)), width, normWeight1, normBias1, NormEpsilon);
        Tensor neurons = nn.functional.linear(y, weight1, bias1).relu();
        Tensor forward = nn.functional.linear(Dropped(neurons), weight2, bias2);
        return (nn.functional.layer_norm(y + Dropped(forward), width, normWeight2, normBias2, NormEpsilon), neurons);
    }

    private Tensor Attention(Tensor x, Tensor mask, SimpleTransformerDropout? dropout)
    {
        long batch = x.shape[0], length = x.shape[1], width = x.shape[2], headWidth = width / heads;
        Tensor joined = nn.functional.linear(x, inWeight, inBias).view(batch, length, 3, heads, headWidth).permute(2, 0, 3, 1, 4);
        Tensor Part(int index) => joined[index].reshape(batch * heads, length, headWidth);
        // In place, sparing a copy of the largest tensors; their product's gradient does not need them.
        Tensor scores = (Part(0) * (1 / Math.Sqrt(headWidth))).bmm(Part(1).transpose(1, 2)).add_(mask);
        Tensor pattern = scores.softmax(-1);
        Tensor values = (dropout is null ? pattern : dropout.Apply(pattern)).bmm(Part(2));
        Tensor concatenated = values.view(batch, heads, length, headWidth).transpose(1, 2).reshape(batch, length, width);
        return nn.functional.linear(concatenated, outWeight, outBias);
    }
}
