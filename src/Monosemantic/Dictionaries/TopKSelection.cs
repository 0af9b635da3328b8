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
internal sealed unsafe class TopKSelection<TKey> : RowSelector where TKey : struct, IRankKey
{
    private const int Block = 32;
    private const float GuessShare = 0.9f;
    private readonly TKey key;
    private readonly int k;
    private readonly float floor;
    private ulong[] kept, scratch;
    private float guess;
    private ulong kthLargest;

    /// <summary>Makes a selection.</summary>
    /// <param name="key">What features are ranked by.</param>
    /// <param name="k">How many to keep at most.</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="rectify">Whether only keys above 0 are kept (top-k, then ReLU).</param>
    internal TopKSelection(TKey key, int k, int width, bool rectify)
    {
        this.key = key;
        this.k = Math.Min(k, width);
        floor = guess = rectify ? 0f : float.NegativeInfinity;
        int capacity = Math.Max(256, 4 * this.k) + Block;
        (kept, scratch) = (new ulong[capacity], new ulong[capacity]);
    }

    /// <inheritdoc/>
    internal override int Most => k;

    /// <inheritdoc/>
    internal override void Select(float* product, int first, int end, ref float rowBar, TileEntries into)
    {
        float lowest = Math.Max(floor, rowBar), from = Math.Max(guess, lowest);
        int count = Scan(product, first, end, from);
        if (count < k && from > lowest) count = Scan(product, first, end, lowest);
        if (count > k) count = KeepLargest(count);
        into.Reserve(count);
        float least = float.PositiveInfinity;
        for (int i = 0; i < count; i++)
        {
            int feature = RankOrder.IndexOf(kept[i]);
            into.Add(feature, key.Pre(product, feature));
            least = Math.Min(least, RankOrder.ValueOf(kept[i]));
        }
        // So many are there already, and win against equals that come later.
        if (count == k) rowBar = Math.Max(rowBar, least);
        guess = count < k || least <= 0 ? floor : Math.Max(floor, least * GuessShare);
    }

    // Compiled at its best at once, or the first rows would be scanned by code that is not optimised yet.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Scan(float* row, int first, int end, float from)
    {
        int count = 0, i = first;
        Vector256<float> bar = Vector256.Create(from);
        for (; i <= end - Block; i += Block)
        {
            Vector256<float> v0 = key.Of(row, i);
            Vector256<float> v1 = key.Of(row, i + 8);
            Vector256<float> v2 = key.Of(row, i + 16);
            Vector256<float> v3 = key.Of(row, i + 24);
            uint low = Vector256.GreaterThan(v0, bar).ExtractMostSignificantBits() | (Vector256.GreaterThan(v1, bar).ExtractMostSignificantBits() << 8);
            uint high = Vector256.GreaterThan(v2, bar).ExtractMostSignificantBits() | (Vector256.GreaterThan(v3, bar).ExtractMostSignificantBits() << 8);
            uint passed = low | (high << 16);
            if (passed == 0) continue;
            for (; passed != 0; passed &= passed - 1)
            {
                int index = i + BitOperations.TrailingZeroCount(passed);
                kept[count++] = RankOrder.Key(key.OfOne(row, index), index);
            }
            if (count > kept.Length - Block)
            {
                count = KeepLargest(count);
                bar = Vector256.Create(RankOrder.ValueOf(kthLargest));
            }
        }
        for (; i < end; i++)
        {
            float value = key.OfOne(row, i);
            if (value > bar.ToScalar()) kept[count++] = RankOrder.Key(value, i);
        }
        return count;
    }

    /// <inheritdoc/>
    internal override void Narrow(TileEntries entries, int first)
    {
        int count = entries.Count - first, left = first;
        if (kept.Length < count) (kept, scratch) = (new ulong[count], new ulong[count]);
        for (int i = 0; i < count; i++) kept[i] = RankOrder.Key(key.OfPre(entries.Pres[first + i], entries.Features[first + i]), entries.Features[first + i]);
        kept.AsSpan(0, count).CopyTo(scratch);
        ulong least = RankOrder.NthLargest(scratch.AsSpan(0, count), k - 1);
        for (int i = 0; i < count; i++)
        {
            if (kept[i] >= least) entries.Move(first + i, left++);
        }
        entries.Truncate(left);
    }

    // Keeps the order of the indices: the k-th largest key is found on a copy, then the rest is dropped in place.
    private int KeepLargest(int count)
    {
        kept.AsSpan(0, count).CopyTo(scratch);
        ulong least = RankOrder.NthLargest(scratch.AsSpan(0, count), k - 1);
        int left = 0;
        for (int i = 0; i < count; i++)
        {
            ulong candidate = kept[i];
            kept[left] = candidate;
            left += candidate >= least ? 1 : 0;
        }
        kthLargest = least;
        return left;
    }
}
