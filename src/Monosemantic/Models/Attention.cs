using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>The attention of one block, from the residual stream to what it adds to it.</summary>
internal static class Attention
{
    /// <summary>What attention adds [b, t, d_model], or null where the pass ended inside it.</summary>
    internal static Tensor? Forward(ForwardPass pass, BlockWeights weights, int layer, Tensor residual)
    {
        (TransformerConfig config, HookTaps taps) = (pass.Config, pass.Taps);
        Tensor input = Normalisation.Apply(config, weights.Norm1, residual, new(HookSite.Ln1Scale, layer), new(HookSite.Ln1Normalized, layer), taps);
        if (taps.Finished) return null;
        if (pass.EndsWithKeys(layer))
        {
            TakeIn(pass, weights, layer, input);
            return null;
        }
        (Tensor q, Tensor k, Tensor v) = weights.QueryKeyValue.Apply(config, input);
        q = pass.At(HookSite.AttnQ, layer, q);
        k = pass.At(HookSite.AttnK, layer, k);
        v = pass.At(HookSite.AttnV, layer, v);
        if (taps.Finished) return null;
        if (weights.QueryNorm is { } queryNorm) q = Normalisation.Apply(config, queryNorm, q);
        if (weights.KeyNorm is { } keyNorm) k = Normalisation.Apply(config, keyNorm, k);
        if (pass.Turn(layer) is { } turn)
        {
            q = pass.At(HookSite.AttnRotQ, layer, turn.Apply(q));
            k = pass.At(HookSite.AttnRotK, layer, turn.Apply(k));
            if (taps.Finished) return null;
        }
        (k, v) = (k.transpose(1, 2), v.transpose(1, 2));
        if (pass.Cache is { } cache) (k, v) = cache.Extend(layer, k, v);
        if (AttentionPattern.Attend(pass, layer, q.transpose(1, 2), k, v) is not { } attended) return null;
        Tensor z = pass.At(HookSite.AttnZ, layer, attended.transpose(1, 2));
        if (taps.Finished) return null;
        Tensor output = weights.AttentionOutput.Apply(z.reshape(z.shape[0], z.shape[1], -1));
        if (weights.PostNorm1 is { } postNorm)
        {
            output = Normalisation.Apply(config, postNorm, output, new(HookSite.Ln1PostScale, layer), new(HookSite.Ln1PostNormalized, layer), taps);
            if (taps.Finished) return null;
        }
        output = pass.At(HookSite.AttnOut, layer, output);
        return taps.Finished ? null : output;
    }

    // Where nothing but the keys and values is wanted, nothing else is computed. No hook looks on then.
    private static void TakeIn(ForwardPass pass, BlockWeights weights, int layer, Tensor input)
    {
        (Tensor k, Tensor v) = weights.QueryKeyValue.KeysAndValues(pass.Config, input);
        if (weights.KeyNorm is { } keyNorm) k = Normalisation.Apply(pass.Config, keyNorm, k);
        if (pass.Turn(layer) is { } turn) k = turn.Apply(k);
        pass.Cache!.Extend(layer, k.transpose(1, 2), v.transpose(1, 2));
    }
}
