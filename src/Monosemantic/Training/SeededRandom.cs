namespace Monosemantic.Training;

/// <summary>
/// Random numbers from a seed alone, the same on every machine and version: xoshiro256** (Blackman and Vigna 2018), started
/// by SplitMix64, and normal deviates by the polar method.
/// </summary>
internal sealed class SeededRandom
{
    private ulong s0, s1, s2, s3;
    private double spare = double.NaN;

    /// <summary>Starts a stream.</summary>
    /// <param name="seed">Any number.</param>
    internal SeededRandom(long seed)
    {
        ulong state = (ulong)seed;
        (s0, s1, s2, s3) = (Mix(ref state), Mix(ref state), Mix(ref state), Mix(ref state));
    }

    /// <summary>A number in [0, 1), of 53 random bits.</summary>
    internal double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A normal deviate of mean 0 and variance 1.</summary>
    internal double NextGaussian()
    {
        if (!double.IsNaN(spare))
        {
            double kept = spare;
            spare = double.NaN;
            return kept;
        }
        double x, y, square;
        do
        {
            (x, y) = ((2 * NextDouble()) - 1, (2 * NextDouble()) - 1);
            square = (x * x) + (y * y);
        }
        while (square is >= 1 or 0);
        double factor = Math.Sqrt(-2 * Math.Log(square) / square);
        spare = y * factor;
        return x * factor;
    }

    private ulong NextBits()
    {
        ulong result = ulong.RotateLeft(s1 * 5, 7) * 9, shifted = s1 << 17;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = ulong.RotateLeft(s3, 45);
        return result;
    }

    private static ulong Mix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
