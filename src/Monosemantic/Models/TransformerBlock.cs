using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>One block: attention and MLP, each reading a norm of the residual stream and adding to it.</summary>
internal static class TransformerBlock
{
    /// <summary>The residual stream after the block [b, t, d_model], or null where the pass ended inside it.</summary>
    internal static Tensor? Forward(TransformerConfig config, BlockWeights weights, int layer, Tensor residual, HookTaps taps)
    {
        using var scope = NewDisposeScope();
        residual = taps.At(new(HookSite.ResidPre, layer), residual);
        if (taps.Finished) return null;
        if (Attention(config, weights, layer, residual, taps) is not { } attention) return null;
        residual = taps.At(new(HookSite.ResidMid, layer), residual + attention);
        if (taps.Finished) return null;
        if (Mlp(config, weights, layer, residual, taps) is not { } mlp) return null;
        residual = taps.At(new(HookSite.ResidPost, layer), residual + mlp);
        return taps.Finished ? null : residual.MoveToOuterDisposeScope();
    }

    /// <summary>Layer norm; spelled out only where somebody wants to see inside.</summary>
    internal static Tensor Normalise(TransformerConfig config, Norm norm, Tensor x, HookPoint scaleAt, HookPoint normalizedAt, HookTaps taps)
    {
        if (!taps.Wants(scaleAt) && !taps.Wants(normalizedAt)) return nn.functional.layer_norm(x, [config.DModel], norm.Weight, norm.Bias, config.NormEpsilon);
        Tensor centred = x - x.mean([-1], keepdim: true);
        Tensor scale = taps.At(scaleAt, (centred.square().mean([-1], keepdim: true) + config.NormEpsilon).sqrt());
        return taps.At(normalizedAt, centred / scale) * norm.Weight + norm.Bias;
    }

    private static Tensor? Attention(TransformerConfig config, BlockWeights weights, int layer, Tensor residual, HookTaps taps)
    {
        Tensor input = Normalise(config, weights.Norm1, residual, new(HookSite.Ln1Scale, layer), new(HookSite.Ln1Normalized, layer), taps);
        if (taps.Finished) return null;
        long batch = input.shape[0], length = input.shape[1];
        Tensor[] parts = weights.QueryKeyValue.Apply(input).chunk(3, -1);
        Tensor[] heads = [.. parts.Select(part => part.view(batch, length, config.Heads, config.DHead))];
        Tensor q = taps.At(new(HookSite.AttnQ, layer), heads[0]);
        Tensor k = taps.At(new(HookSite.AttnK, layer), heads[1]);
        Tensor v = taps.At(new(HookSite.AttnV, layer), heads[2]);
        if (taps.Finished) return null;
        if (AttendedValues(config, layer, q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), taps) is not { } attended) return null;
        Tensor z = taps.At(new(HookSite.AttnZ, layer), attended.transpose(1, 2));
        if (taps.Finished) return null;
        Tensor output = taps.At(new(HookSite.AttnOut, layer), weights.AttentionOutput.Apply(z.reshape(batch, length, -1)));
        return taps.Finished ? null : output;
    }

    // The fused kernel never builds the [t, t] scores; it is used unless a hook wants to see them.
    private static Tensor? AttendedValues(TransformerConfig config, int layer, Tensor q, Tensor k, Tensor v, HookTaps taps)
    {
        HookPoint scoresAt = new(HookSite.AttnScores, layer), patternAt = new(HookSite.AttnPattern, layer);
        double scale = config.AttentionScales[layer];
        if (!taps.Wants(scoresAt) && !taps.Wants(patternAt))
        {
            // The kernel divides by sqrt(d_head); any other scale goes into the queries.
            double correction = scale * Math.Sqrt(config.DHead);
            Tensor query = Math.Abs(correction - 1) < 1e-12 ? q : q * correction;
            return nn.functional.scaled_dot_product_attention(query, k, v, is_casual: true);
        }
        long[] shape = q.shape;
        long length = shape[2];
        Tensor mask = ones(length, length, dtype: ScalarType.Bool).triu(1);
        Tensor products = q.reshape(-1, length, config.DHead).bmm(k.reshape(-1, length, config.DHead).transpose(1, 2));
        Tensor masked = (products * scale).masked_fill(mask, double.NegativeInfinity);
        Tensor scores = taps.At(scoresAt, masked.view(shape[0], shape[1], length, length));
        if (taps.Finished) return null;
        Tensor pattern = taps.At(patternAt, scores.softmax(-1));
        return taps.Finished ? null : pattern.reshape(-1, length, length).bmm(v.reshape(-1, length, config.DHead)).view(shape);
    }

    private static Tensor? Mlp(TransformerConfig config, BlockWeights weights, int layer, Tensor residual, HookTaps taps)
    {
        Tensor input = Normalise(config, weights.Norm2, residual, new(HookSite.Ln2Scale, layer), new(HookSite.Ln2Normalized, layer), taps);
        if (taps.Finished) return null;
        Tensor pre = taps.At(new(HookSite.MlpPre, layer), weights.MlpIn.Apply(input));
        if (taps.Finished) return null;
        Tensor post = taps.At(new(HookSite.MlpPost, layer), Activate(config.Activation, pre));
        if (taps.Finished) return null;
        Tensor output = taps.At(new(HookSite.MlpOut, layer), weights.MlpOut.Apply(post));
        return taps.Finished ? null : output;
    }

    private static Tensor Activate(ActivationFunction function, Tensor pre) => function switch
    {
        ActivationFunction.GeluTanh => GeluTanh(pre),
        ActivationFunction.Gelu => nn.functional.gelu(pre),
        ActivationFunction.Relu => nn.functional.relu(pre),
        _ => throw new InvalidOperationException($"activation function {function} is not computed"),
    };

    private static Tensor GeluTanh(Tensor x) => 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x.pow(3))).tanh());
}
