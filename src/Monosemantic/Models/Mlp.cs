using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>The MLP of one block, from the residual stream to what it adds to it.</summary>
internal static class Mlp
{
    /// <summary>What the MLP adds [b, t, d_model], or null where the pass ended inside it.</summary>
    internal static Tensor? Forward(ForwardPass pass, BlockWeights weights, int layer, Tensor residual)
    {
        (TransformerConfig config, HookTaps taps) = (pass.Config, pass.Taps);
        Tensor input = Normalisation.Apply(config, weights.Norm2, residual, new(HookSite.Ln2Scale, layer), new(HookSite.Ln2Normalized, layer), taps);
        if (taps.Finished) return null;
        if (Activated(pass, weights, layer, input) is not { } activated) return null;
        Tensor post = pass.At(HookSite.MlpPost, layer, activated);
        if (taps.Finished) return null;
        Tensor output = weights.MlpOut.Apply(post);
        if (weights.PostNorm2 is { } postNorm)
        {
            output = Normalisation.Apply(config, postNorm, output, new(HookSite.Ln2PostScale, layer), new(HookSite.Ln2PostNormalized, layer), taps);
            if (taps.Finished) return null;
        }
        output = pass.At(HookSite.MlpOut, layer, output);
        return taps.Finished ? null : output;
    }

    // Where the MLP is gated, the gate's product is what the activation function sees.
    private static Tensor? Activated(ForwardPass pass, BlockWeights weights, int layer, Tensor input)
    {
        Tensor pre = pass.At(HookSite.MlpPre, layer, (weights.MlpGate ?? weights.MlpIn).Apply(input));
        if (pass.Taps.Finished) return null;
        if (weights.MlpGate is null) return Neurons.Activate(pass.Config.Activation, pre);
        Tensor linear = pass.At(HookSite.MlpPreLinear, layer, weights.MlpIn.Apply(input));
        return pass.Taps.Finished ? null : Neurons.Activate(pass.Config.Activation, pre) * linear;
    }
}
