using System.Collections.Immutable;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// A change of the rotary frequencies for contexts longer than those of training. All arithmetic is in float32 and in the
/// reference's order, since rounding of a frequency grows with the position. Reference: transformers, modeling_rope_utils.
/// </summary>
public abstract record RotaryScaling
{
    /// <summary>Factor on the cosines and sines.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>The frequencies for a context.</summary>
    /// <param name="config">Dimensions and base.</param>
    /// <param name="length">Tokens in the context.</param>
    /// <returns>[dimensions / 2] float32.</returns>
    public abstract Tensor Frequencies(RotaryConfig config, long length);

    /// <summary>Whether a context of one more token, of this length, has other frequencies than before.</summary>
    /// <param name="length">Tokens in the longer context.</param>
    public virtual bool ChangesAt(long length) => false;

    /// <summary>The frequencies without any scaling: theta^(-2j / dimensions).</summary>
    /// <param name="dimensions">Dimensions that turn.</param>
    /// <param name="theta">Base.</param>
    /// <returns>[dimensions / 2] float32.</returns>
    public static Tensor Unscaled(int dimensions, double theta) => Powers(dimensions, theta).reciprocal();

    /// <summary>theta^(2j / dimensions).</summary>
    /// <param name="dimensions">Dimensions that turn.</param>
    /// <param name="theta">Base.</param>
    /// <returns>[dimensions / 2] float32.</returns>
    protected static Tensor Powers(int dimensions, double theta)
    {
        Tensor exponents = arange(0, dimensions, 2, dtype: ScalarType.Float32) / dimensions;
        return full_like(exponents, theta).pow(exponents);
    }
}

/// <summary>All frequencies divided by one factor (Chen et al. 2023).</summary>
/// <param name="Factor">The factor.</param>
public sealed record LinearScaling(double Factor) : RotaryScaling
{
    /// <inheritdoc />
    public override Tensor Frequencies(RotaryConfig config, long length)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Unscaled(config.Dimensions, config.Theta) / Factor;
    }
}

/// <summary>A larger base the longer the context: theta ((factor length / positions) - (factor - 1))^(D / (D - 2)).</summary>
/// <param name="Factor">The factor.</param>
/// <param name="Positions">Contexts up to this length are not scaled.</param>
public sealed record DynamicScaling(double Factor, int Positions) : RotaryScaling
{
    /// <inheritdoc />
    public override bool ChangesAt(long length) => length > Positions;

    /// <inheritdoc />
    public override Tensor Frequencies(RotaryConfig config, long length)
    {
        ArgumentNullException.ThrowIfNull(config);
        double growth = (Factor * Math.Max(length, Positions) / Positions) - (Factor - 1), exponent = config.Dimensions / (config.Dimensions - 2.0);
        return Unscaled(config.Dimensions, config.Theta * Math.Pow(growth, exponent));
    }
}

/// <summary>Slow frequencies divided by a factor, fast ones kept, those between blended (Llama 3.1).</summary>
/// <param name="Factor">The factor.</param>
/// <param name="LowFrequency">Frequencies that turn fewer times than this in the original context are divided.</param>
/// <param name="HighFrequency">Frequencies that turn more often than this in the original context are kept.</param>
/// <param name="OriginalPositions">Context of training in tokens.</param>
public sealed record Llama3Scaling(double Factor, double LowFrequency, double HighFrequency, int OriginalPositions) : RotaryScaling
{
    /// <inheritdoc />
    public override Tensor Frequencies(RotaryConfig config, long length)
    {
        ArgumentNullException.ThrowIfNull(config);
        Tensor frequencies = Unscaled(config.Dimensions, config.Theta), wavelengths = 2 * Math.PI / frequencies;
        Tensor slow = wavelengths > OriginalPositions / LowFrequency, fast = wavelengths < OriginalPositions / HighFrequency;
        Tensor divided = where(slow, frequencies / Factor, frequencies);
        Tensor share = ((OriginalPositions / wavelengths) - LowFrequency) / (HighFrequency - LowFrequency);
        Tensor blended = ((1 - share) * divided / Factor) + (share * divided);
        return where(slow.logical_or(fast), divided, blended);
    }
}

/// <summary>
/// YaRN (Peng et al. 2023): frequencies that turn often in the original context are kept, those that turn rarely are
/// divided, a ramp over the dimensions between; the attention is sharpened.
/// </summary>
/// <param name="Factor">The factor.</param>
/// <param name="OriginalPositions">Context of training in tokens.</param>
/// <param name="BetaFast">Turns from which on a frequency is kept.</param>
/// <param name="BetaSlow">Turns up to which a frequency is divided.</param>
/// <param name="Sharpening">Factor on the cosines and sines.</param>
/// <param name="Truncate">Whether the ramp begins and ends at whole dimensions.</param>
public sealed record YarnScaling(double Factor, int OriginalPositions, double BetaFast, double BetaSlow, double Sharpening, bool Truncate) : RotaryScaling
{
    /// <inheritdoc />
    public override double AttentionFactor => Sharpening;

    /// <inheritdoc />
    public override Tensor Frequencies(RotaryConfig config, long length)
    {
        ArgumentNullException.ThrowIfNull(config);
        Tensor powers = Powers(config.Dimensions, config.Theta);
        Tensor kept = powers.reciprocal(), divided = (Factor * powers).reciprocal();
        double low = Dimension(config, BetaFast), high = Dimension(config, BetaSlow);
        if (Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, config.Dimensions - 1));
        if (low == high) high += 0.001;
        Tensor ramp = ((arange(config.Dimensions / 2, dtype: ScalarType.Float32) - low) / (high - low)).clamp(0, 1), share = 1 - ramp;
        return (divided * (1 - share)) + (kept * share);
    }

    // The dimension whose frequency turns so many times in the original context.
    private double Dimension(RotaryConfig config, double turns) =>
        config.Dimensions * Math.Log(OriginalPositions / (turns * 2 * Math.PI)) / (2 * Math.Log(config.Theta));
}

/// <summary>LongRoPE (Ding et al. 2024): one divisor for each frequency, of two lists, by the length of the context.</summary>
/// <param name="Short">Divisors for contexts up to the original length, one for each frequency.</param>
/// <param name="Long">Divisors for longer contexts.</param>
/// <param name="OriginalPositions">Context of training in tokens.</param>
/// <param name="Sharpening">Factor on the cosines and sines.</param>
public sealed record LongScaling(ImmutableArray<float> Short, ImmutableArray<float> Long, int OriginalPositions, double Sharpening) : RotaryScaling
{
    /// <inheritdoc />
    public override double AttentionFactor => Sharpening;

    /// <inheritdoc />
    public override bool ChangesAt(long length) => length == OriginalPositions + 1;

    /// <inheritdoc />
    public override Tensor Frequencies(RotaryConfig config, long length)
    {
        ArgumentNullException.ThrowIfNull(config);
        float[] divisors = [.. length > OriginalPositions ? Long : Short];
        return (tensor(divisors) * Powers(config.Dimensions, config.Theta)).reciprocal();
    }
}
