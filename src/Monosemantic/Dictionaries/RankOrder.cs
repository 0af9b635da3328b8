using System.Runtime.CompilerServices;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Value and index in one integer that sorts by value, then by lower index, and the n-th largest of such integers. Floats
/// sort like sign-magnitude integers.
/// </summary>
internal static class RankOrder
{
    /// <summary>The integer of a value and its index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Key(float value, int index) => ((ulong)Ordered(value) << 32) | ~(uint)index;

    /// <summary>The value in an integer.</summary>
    internal static float ValueOf(ulong key)
    {
        uint ordered = (uint)(key >> 32);
        return BitConverter.UInt32BitsToSingle((ordered & 0x80000000u) != 0 ? ordered & 0x7FFFFFFFu : ~ordered);
    }

    /// <summary>The index in an integer.</summary>
    internal static int IndexOf(ulong key) => (int)~(uint)key;

    /// <summary>Bits of a value that sort as the value does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Ordered(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    }

    /// <summary>The n-th largest, counted from 0; the keys are moved about.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static ulong NthLargest(Span<ulong> keys, int nth)
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
}
