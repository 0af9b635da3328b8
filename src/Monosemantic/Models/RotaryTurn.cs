using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>Cosines and sines of the positions of one pass, and the rotation by them.</summary>
internal sealed class RotaryTurn
{
    private readonly RotaryConfig config;
    private readonly Tensor cosines;
    private readonly Tensor sines;

    /// <summary>Computes the tables in the current dispose scope.</summary>
    /// <param name="config">What turns and how fast.</param>
    /// <param name="offset">Position of the first token.</param>
    /// <param name="length">Tokens in the pass.</param>
    internal RotaryTurn(RotaryConfig config, long offset, long length)
    {
        this.config = config;
        using var scope = NewDisposeScope();
        Tensor frequencies = config.Scaling?.Frequencies(config, offset + length) ?? RotaryScaling.Unscaled(config.Dimensions, config.Theta);
        Tensor angles = arange(offset, offset + length, dtype: ScalarType.Float32).unsqueeze(1) * frequencies;
        double factor = config.Scaling?.AttentionFactor ?? 1;
        Tensor Shaped(Tensor table) => (factor == 1 ? table : table * factor).view(1, length, 1, -1).MoveToOuterDisposeScope();
        (cosines, sines) = (Shaped(angles.cos()), Shaped(angles.sin()));
    }

    /// <summary>Turns queries or keys [b, t, heads, d_head] by their positions.</summary>
    internal Tensor Apply(Tensor x)
    {
        int turning = config.Dimensions;
        Tensor pairs = turning == x.shape[^1] ? x : x.narrow(-1, 0, turning);
        Tensor turned = config.Interleaved ? Neighbours(pairs) : Halves(pairs);
        return turning == x.shape[^1] ? turned : cat([turned, x.narrow(-1, turning, x.shape[^1] - turning)], -1);
    }

    private Tensor Halves(Tensor x)
    {
        Tensor[] halves = x.chunk(2, -1);
        return cat([(halves[0] * cosines) - (halves[1] * sines), (halves[1] * cosines) + (halves[0] * sines)], -1);
    }

    private Tensor Neighbours(Tensor x)
    {
        long[] shape = x.shape;
        Tensor pairs = x.reshape(shape[0], shape[1], shape[2], -1, 2), even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
        return stack([(even * cosines) - (odd * sines), (odd * cosines) + (even * sines)], -1).view(shape);
    }
}
