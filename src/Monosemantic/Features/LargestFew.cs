using System.Runtime.CompilerServices;

namespace Monosemantic.Features;

/// <summary>The largest of many numbers and whose they are, largest first, ties by index; offered in any order.</summary>
/// <param name="count">How many to keep, at least 0.</param>
internal sealed class LargestFew(int count)
{
    private readonly (int Index, double Value, long Together)[] places = new (int, double, long)[count];
    private int kept;

    /// <summary>What is kept by now.</summary>
    internal ReadOnlySpan<(int Index, double Value, long Together)> Kept => places.AsSpan(0, kept);

    /// <summary>Offers one.</summary>
    /// <param name="index">Whose it is; each is offered once.</param>
    /// <param name="value">The number.</param>
    /// <param name="together">A count to keep beside it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Offer(int index, double value, long together = 0)
    {
        if (count == 0 || (kept == count && !Before(index, value, places[^1]))) return;
        int place = kept < count ? kept++ : count - 1;
        for (; place > 0 && Before(index, value, places[place - 1]); place--) places[place] = places[place - 1];
        places[place] = (index, value, together);
    }

    private static bool Before(int index, double value, (int Index, double Value, long Together) other) =>
        value > other.Value || (value == other.Value && index < other.Index);
}
