using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The k largest of a row. One pass of vector comparisons against the k-th largest value so far; the few that pass are
/// collected, and whenever the collection is full it is cut down to its k largest, which raises the bar. The bar starts a
/// little below the k-th largest of the row before; where fewer than k pass, the row is scanned again from the bottom, so
/// that the guess changes the time but never the result. Ties go to the lower index; NaN is never selected. One per worker.
/// </summary>
internal sealed unsafe class TopKSelection
{
    private const int Block = 32;
    private const float GuessShare = 0.9f;
    private readonly int k;
    private readonly float floor;
    private readonly ulong[] kept;
    private readonly ulong[] scratch;
    private float guess;
    private ulong kthLargest;

    /// <summary>Makes a selection.</summary>
    /// <param name="k">How many to keep at most.</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="rectify">Whether only values above 0 are kept (top-k, then ReLU).</param>
    internal TopKSelection(int k, int width, bool rectify)
    {
        this.k = Math.Min(k, width);
        floor = guess = rectify ? 0f : float.NegativeInfinity;
        int capacity = Math.Max(256, 4 * this.k) + Block;
        (kept, scratch) = (new ulong[capacity], new ulong[capacity]);
    }

    /// <summary>Selects from row + bias, in ascending order of the index.</summary>
    /// <param name="row">Values [width].</param>
    /// <param name="bias">What to add to each [width].</param>
    /// <param name="width">Length of the row.</param>
    /// <param name="indices">Receives the indices [k].</param>
    /// <param name="values">Receives the values [k].</param>
    /// <returns>How many were selected.</returns>
    internal int Select(float* row, float* bias, int width, int* indices, float* values)
    {
        int count = Scan(row, bias, width, guess);
        if (count < k && guess > floor) count = Scan(row, bias, width, floor);
        if (count > k) count = KeepLargest(count);
        Emit(count, indices, values);
        float least = count < k ? floor : SmallestOf(values, count);
        guess = Math.Max(floor, least > 0 ? least * GuessShare : floor);
        return count;
    }

    private int Scan(float* row, float* bias, int width, float from)
    {
        int count = 0, i = 0;
        Vector256<float> bar = Vector256.Create(from);
        for (; i <= width - Block; i += Block)
        {
            Vector256<float> v0 = Vector256.Load(row + i) + Vector256.Load(bias + i);
            Vector256<float> v1 = Vector256.Load(row + i + 8) + Vector256.Load(bias + i + 8);
            Vector256<float> v2 = Vector256.Load(row + i + 16) + Vector256.Load(bias + i + 16);
            Vector256<float> v3 = Vector256.Load(row + i + 24) + Vector256.Load(bias + i + 24);
            uint low = Vector256.GreaterThan(v0, bar).ExtractMostSignificantBits() | (Vector256.GreaterThan(v1, bar).ExtractMostSignificantBits() << 8);
            uint high = Vector256.GreaterThan(v2, bar).ExtractMostSignificantBits() | (Vector256.GreaterThan(v3, bar).ExtractMostSignificantBits() << 8);
            uint passed = low | (high << 16);
            if (passed == 0) continue;
            for (; passed != 0; passed &= passed - 1)
            {
                int index = i + BitOperations.TrailingZeroCount(passed);
                kept[count++] = Key(row[index] + bias[index], index);
            }
            if (count > kept.Length - Block)
            {
                count = KeepLargest(count);
                bar = Vector256.Create(ValueOf(kthLargest));
            }
        }
        for (; i < width; i++)
        {
            float value = row[i] + bias[i];
            if (value > bar.ToScalar()) kept[count++] = Key(value, i);
        }
        return count;
    }

    private static float SmallestOf(float* values, int count)
    {
        float least = float.PositiveInfinity;
        for (int i = 0; i < count; i++) least = Math.Min(least, values[i]);
        return least;
    }

    private void Emit(int count, int* indices, float* values)
    {
        for (int i = 0; i < count; i++)
        {
            indices[i] = (int)~(uint)kept[i];
            values[i] = ValueOf(kept[i]);
        }
    }

    // Keeps the order of the indices: the k-th largest key is found on a copy, then the rest is dropped in place.
    private int KeepLargest(int count)
    {
        kept.AsSpan(0, count).CopyTo(scratch);
        ulong least = NthLargest(scratch.AsSpan(0, count), k - 1);
        int left = 0;
        for (int i = 0; i < count; i++)
        {
            ulong key = kept[i];
            kept[left] = key;
            left += key >= least ? 1 : 0;
        }
        kthLargest = least;
        return left;
    }

    private static ulong NthLargest(Span<ulong> keys, int nth)
    {
        int left = 0, right = keys.Length - 1;
        while (left < right)
        {
            ulong pivot = Median(keys[left], keys[(left + right) / 2], keys[right]);
            int i = left, j = right;
            while (i <= j)
            {
                while (keys[i] > pivot) i++;
                while (keys[j] < pivot) j--;
                if (i > j) break;
                (keys[i], keys[j]) = (keys[j], keys[i]);
                i++;
                j--;
            }
            if (nth <= j) right = j;
            else if (nth >= i) left = i;
            else break;
        }
        return keys[nth];
    }

    private static ulong Median(ulong a, ulong b, ulong c) => Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c));

    // Value and index in one integer that sorts by value, then by lower index. Floats sort like sign-magnitude integers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(float value, int index)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint ordered = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
        return ((ulong)ordered << 32) | ~(uint)index;
    }

    private static float ValueOf(ulong key)
    {
        uint ordered = (uint)(key >> 32);
        return BitConverter.UInt32BitsToSingle((ordered & 0x80000000u) != 0 ? ordered & 0x7FFFFFFFu : ~ordered);
    }
}
