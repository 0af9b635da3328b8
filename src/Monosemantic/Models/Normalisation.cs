using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>Norms of the residual stream, and of queries and keys.</summary>
internal static class Normalisation
{
    /// <summary>A norm over the last dimension whose insides can be hooked: the divisor [.., 1], and the normalised value before weight and bias.</summary>
    internal static Tensor Apply(TransformerConfig config, Norm norm, Tensor x, HookPoint scaleAt, HookPoint normalizedAt, HookTaps taps)
    {
        if (!taps.Wants(scaleAt) && !taps.Wants(normalizedAt)) return Apply(config, norm, x);
        Tensor centred = config.Norm == NormKind.Layer ? x - x.mean([-1], keepdim: true) : x;
        Tensor scale = taps.At(scaleAt, (centred.square().mean([-1], keepdim: true) + config.NormEpsilon).sqrt());
        Tensor scaled = taps.At(normalizedAt, centred / scale) * Gain(config, norm);
        return norm.Bias is null ? scaled : scaled + norm.Bias;
    }

    /// <summary>A norm over the last dimension.</summary>
    internal static Tensor Apply(TransformerConfig config, Norm norm, Tensor x)
    {
        if (config.Norm == NormKind.Layer) return nn.functional.layer_norm(x, [x.shape[^1]], norm.Weight, norm.Bias, config.NormEpsilon);
        return x * (x.square().mean([-1], keepdim: true) + config.NormEpsilon).rsqrt() * Gain(config, norm);
    }

    /// <summary>The factor that a norm puts on each normalised dimension.</summary>
    internal static Tensor Gain(TransformerConfig config, Norm norm) => config.Norm == NormKind.RootMeanSquareOnePlus ? norm.Weight + 1 : norm.Weight;
}
