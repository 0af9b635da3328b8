using System.Numerics;
using System.Runtime.Intrinsics;

namespace Monosemantic.Dictionaries;

/// <summary>Every feature whose pre-activation x W_enc + offset is above its own bar.</summary>
/// <param name="offsets">What is added to the product [width]; an address.</param>
/// <param name="bars">What the sum must be above [width]; an address.</param>
internal sealed unsafe class ThresholdSelection(nint offsets, nint bars) : RowSelector
{
    private const int Block = 32;
    private readonly float* offset = (float*)offsets, bar = (float*)bars;

    /// <inheritdoc/>
    internal override void Select(float* product, int first, int end, ref float rowBar, TileEntries into)
    {
        int i = first;
        for (; i <= end - Block; i += Block)
        {
            uint low = Above(product, i) | (Above(product, i + 8) << 8);
            uint high = Above(product, i + 16) | (Above(product, i + 24) << 8);
            uint passed = low | (high << 16);
            if (passed == 0) continue;
            into.Reserve(Block);
            for (; passed != 0; passed &= passed - 1)
            {
                int feature = i + BitOperations.TrailingZeroCount(passed);
                into.Add(feature, product[feature] + offset[feature]);
            }
        }
        into.Reserve(Block);
        for (; i < end; i++)
        {
            float pre = product[i] + offset[i];
            if (pre > bar[i]) into.Add(i, pre);
        }
    }

    private uint Above(float* product, int i) =>
        Vector256.GreaterThan(Vector256.Load(product + i) + Vector256.Load(offset + i), Vector256.Load(bar + i)).ExtractMostSignificantBits();
}
