using System.Numerics;
using System.Runtime.Intrinsics;

namespace Monosemantic.Dictionaries;

/// <summary>Every feature whose rank is above one bar: the candidates of a batch-wide selection.</summary>
/// <param name="key">What features are ranked by.</param>
/// <param name="bar">What the rank must be above.</param>
internal sealed unsafe class BarSelection<TKey>(TKey key, float bar) : RowSelector where TKey : struct, IRankKey
{
    private const int Block = 32;

    /// <inheritdoc/>
    internal override void Select(float* product, int first, int end, ref float rowBar, TileEntries into)
    {
        Vector256<float> least = Vector256.Create(bar);
        int i = first;
        for (; i <= end - Block; i += Block)
        {
            uint passed = 0;
            for (int part = 0; part < Block; part += 8) passed |= Vector256.GreaterThan(key.Of(product, i + part), least).ExtractMostSignificantBits() << part;
            if (passed == 0) continue;
            into.Reserve(Block);
            for (; passed != 0; passed &= passed - 1)
            {
                int feature = i + BitOperations.TrailingZeroCount(passed);
                into.Add(feature, key.Pre(product, feature));
            }
        }
        into.Reserve(Block);
        for (; i < end; i++)
        {
            if (key.OfOne(product, i) > bar) into.Add(i, key.Pre(product, i));
        }
    }
}
