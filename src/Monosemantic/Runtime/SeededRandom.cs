using System.Numerics;

namespace Monosemantic.Runtime;

/// <summary>
/// The random numbers behind everything that must come out the same for the same seed on every machine: xoshiro256**
/// (Blackman and Vigna, 2018), seeded through splitmix64.
/// </summary>
public sealed class SeededRandom
{
    private ulong s0, s1, s2, s3;
    private double spareNormal = double.NaN;

    /// <summary>Starts a stream of numbers.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">Number of an independent stream under the same seed: an epoch, a layer, a purpose.</param>
    public SeededRandom(long seed, long stream = 0)
    {
        ulong state = (ulong)seed ^ BitOperations.RotateLeft((ulong)stream * 0x9E3779B97F4A7C15, 17);
        s0 = SplitMix(ref state);
        s1 = SplitMix(ref state);
        s2 = SplitMix(ref state);
        s3 = SplitMix(ref state);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextBits()
    {
        ulong result = BitOperations.RotateLeft(s1 * 5, 7) * 9, t = s1 << 17;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= t;
        s3 = BitOperations.RotateLeft(s3, 45);
        return result;
    }

    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>An integer in [0, limit), each equally likely.</summary>
    /// <param name="limit">One more than the largest result; at least 1.</param>
    public int Next(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        // Lemire's multiply-shift with rejection: unbiased.
        ulong range = (ulong)limit, high = Math.BigMul(NextBits(), range, out ulong low);
        if (low >= range) return (int)high;
        // The threshold is below the range: its division is seldom needed.
        ulong threshold = unchecked(0 - range) % range;
        while (low < threshold) high = Math.BigMul(NextBits(), range, out low);
        return (int)high;
    }

    /// <summary>A draw from the standard normal distribution (Marsaglia's polar method).</summary>
    public double NextNormal()
    {
        if (!double.IsNaN(spareNormal))
        {
            double spare = spareNormal;
            spareNormal = double.NaN;
            return spare;
        }
        while (true)
        {
            double u = 2 * NextDouble() - 1, v = 2 * NextDouble() - 1, square = u * u + v * v;
            if (square is >= 1 or 0) continue;
            double factor = Math.Sqrt(-2 * Math.Log(square) / square);
            spareNormal = v * factor;
            return u * factor;
        }
    }

    /// <summary>Puts the items in a random order, every order equally likely (Fisher and Yates).</summary>
    /// <typeparam name="T">The items' type.</typeparam>
    /// <param name="items">The items, reordered in place.</param>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong SplitMix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
