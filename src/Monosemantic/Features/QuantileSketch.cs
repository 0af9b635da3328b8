namespace Monosemantic.Features;

/// <summary>
/// How many of one unit's activations are of which size, in 32 buckets per factor of two: enough to tell any quantile to 1.6 %
/// in memory that depends on the range of the activations and not on their number.
/// </summary>
internal sealed class QuantileSketch
{
    private const int DroppedBits = 18;
    private uint[] counts = [];
    private int first;
    private long total;

    /// <summary>Smallest activation; 0 before the first.</summary>
    internal float Min { get; private set; }

    /// <summary>Bucket of a positive, finite value; larger values have larger buckets.</summary>
    internal static int BucketOf(float value) => BitConverter.SingleToInt32Bits(value) >> DroppedBits;

    /// <summary>Smallest value of a bucket, which is also the end of the one below.</summary>
    internal static float Edge(int bucket) => BitConverter.Int32BitsToSingle(bucket << DroppedBits);

    internal void Add(float value)
    {
        int bucket = BucketOf(value);
        if ((uint)(bucket - first) >= (uint)counts.Length) Cover(bucket);
        counts[bucket - first]++;
        Min = total++ == 0 ? value : Math.Min(Min, value);
    }

    /// <summary>The bucket that holds the smallest value which a share of all values does not exceed. There is at least one value.</summary>
    internal int BucketAt(double share)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(share * total)), seen = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            seen += counts[i];
            if (seen >= rank) return first + i;
        }
        return first + counts.Length - 1;
    }

    /// <summary>The middle of that bucket, within the smallest and largest value.</summary>
    internal double ValueAt(double share, float max)
    {
        int bucket = BucketAt(share);
        return Math.Clamp(((double)Edge(bucket) + Edge(bucket + 1)) / 2, Min, max);
    }

    /// <summary>Values in the buckets from..to, both included.</summary>
    internal long CountIn(int from, int to)
    {
        long sum = 0;
        for (int bucket = Math.Max(from, first); bucket <= Math.Min(to, first + counts.Length - 1); bucket++) sum += counts[bucket - first];
        return sum;
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(first);
        state.Write(total);
        state.Write(Min);
        state.WriteAll<uint>(counts);
    }

    internal void Load(BinaryReader state)
    {
        first = state.ReadInt32();
        total = state.ReadInt64();
        Min = state.ReadSingle();
        counts = state.ReadAll<uint>();
    }

    // Widens to hold the bucket, in steps of 16 so that it seldom happens.
    private void Cover(int bucket)
    {
        int low = bucket & ~15, high = (bucket | 15) + 1;
        if (counts.Length > 0) (low, high) = (Math.Min(low, first), Math.Max(high, first + counts.Length));
        var wider = new uint[high - low];
        counts.CopyTo(wider.AsSpan(first == 0 ? 0 : first - low));
        (first, counts) = (low, wider);
    }
}
