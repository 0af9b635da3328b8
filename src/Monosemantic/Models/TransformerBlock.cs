using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>One block: attention and MLP, each reading a norm of the residual stream and adding to it.</summary>
internal static class TransformerBlock
{
    /// <summary>The residual stream after the block [b, t, d_model], or null where the pass ended inside it.</summary>
    internal static Tensor? Forward(ForwardPass pass, BlockWeights weights, int layer, Tensor residual)
    {
        using var scope = NewDisposeScope();
        residual = pass.At(HookSite.ResidPre, layer, residual);
        if (pass.Taps.Finished) return null;
        if (Part(() => Attention.Forward(pass, weights, layer, residual)) is not { } attention) return null;
        return Rest(pass, weights, layer, residual, attention) is { } after ? scope.Release(after) : null;
    }

    /// <summary>What follows attention, whatever computed it: the MLP, and what both add.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="weights">The block.</param>
    /// <param name="layer">Its number.</param>
    /// <param name="residual">The residual stream before the block [b, t, d_model].</param>
    /// <param name="attention">What attention adds, of the same shape.</param>
    internal static Tensor? Rest(ForwardPass pass, BlockWeights weights, int layer, Tensor residual, Tensor attention)
    {
        Tensor mid = residual + attention;
        if (!pass.Config.ParallelResidual)
        {
            mid = residual = pass.At(HookSite.ResidMid, layer, mid);
            if (pass.Taps.Finished) return null;
        }
        if (Part(() => Mlp.Forward(pass, weights, layer, residual)) is not { } mlp) return null;
        residual = pass.At(HookSite.ResidPost, layer, mid + mlp);
        return pass.Taps.Finished ? null : residual;
    }

    // Frees what a part of the block computed on the way to its result.
    private static Tensor? Part(Func<Tensor?> forward)
    {
        using var scope = NewDisposeScope();
        return forward() is { } result ? scope.Release(result) : null;
    }
}
