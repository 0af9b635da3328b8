namespace Monosemantic.Features;

/// <summary>
/// Equal bins of log10: bin b holds 10^(low + b / perDecade) &lt;= value &lt; 10^(low + (b + 1) / perDecade), edges rounded to
/// float32; the first and last bins also hold what lies outside. A look-up by the value's top bits stands in for a logarithm.
/// </summary>
internal sealed class LogBins
{
    private const int DroppedBits = 19;
    private readonly float[] inner;
    private readonly ushort[] firstBin = new ushort[1 << (31 - DroppedBits)];

    internal LogBins(int low, int high, int perDecade)
    {
        Count = (high - low) * perDecade;
        inner = [.. Enumerable.Range(1, Count - 1).Select(b => (float)Math.Pow(10, low + ((double)b / perDecade)))];
        for (int bucket = 0; bucket < firstBin.Length; bucket++)
        {
            float smallest = BitConverter.Int32BitsToSingle(bucket << DroppedBits);
            firstBin[bucket] = (ushort)inner.Count(edge => edge <= smallest);
        }
    }

    /// <summary>Number of bins.</summary>
    internal int Count { get; }

    /// <summary>Bin of a positive, finite value.</summary>
    internal int Of(float value)
    {
        int bin = firstBin[BitConverter.SingleToInt32Bits(value) >> DroppedBits];
        while (bin < inner.Length && value >= inner[bin]) bin++;
        return bin;
    }
}
