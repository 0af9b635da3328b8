namespace Monosemantic.Models;

/// <summary>
/// Rotary positions (Su et al. 2021): pairs of a head's first dimensions turn by position * frequency,
/// frequency_j = theta^(-2j / dimensions).
/// </summary>
public sealed record RotaryConfig
{
    /// <summary>Dimensions of a head that turn, an even number; the others pass through.</summary>
    public required int Dimensions { get; init; }

    /// <summary>Base of the frequencies.</summary>
    public required double Theta { get; init; }

    /// <summary>Whether the pairs are (0, 1), (2, 3), ...; otherwise (j, j + dimensions / 2).</summary>
    public bool Interleaved { get; init; }

    /// <summary>How the frequencies are changed for contexts beyond those of training; null for not at all.</summary>
    public RotaryScaling? Scaling { get; init; }
}
