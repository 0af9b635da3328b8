using System.Runtime.CompilerServices;

namespace Monosemantic.Features;

/// <summary>
/// The few firings of a chunk that can still get into a list that is kept, taken out by what the list ranks by: best first, so
/// that most of them are turned away before anything is made of them. One per worker, used for one list after the other.
/// </summary>
/// <remarks>
/// A binary heap: of a scan's first rows every firing can get in, few do, and the others need not be ordered. The same rows ask
/// the most of this code and of that around it, before the runtime would have optimised it, and so it is told to do so at once.
/// </remarks>
internal sealed class ChunkOrder
{
    private ulong[] ranks = new ulong[64];
    private int[] firings = new int[64];
    private int count;
    private bool ordered;

    /// <summary>Empties it.</summary>
    internal void Clear() => (count, ordered) = (0, false);

    /// <summary>Adds a firing, by its number among the unit's; before any is taken out.</summary>
    internal void Add(ulong rank, int firing)
    {
        if (count == ranks.Length)
        {
            Array.Resize(ref ranks, 2 * count);
            Array.Resize(ref firings, 2 * count);
        }
        ranks[count] = rank;
        firings[count++] = firing;
    }

    /// <summary>Takes out the firing of lowest rank. No two have the same.</summary>
    /// <param name="rank">Its rank.</param>
    /// <param name="firing">Its number.</param>
    /// <returns>Whether there was one.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal bool TryTake(out ulong rank, out int firing)
    {
        if (!ordered)
        {
            for (int parent = (count / 2) - 1; parent >= 0; parent--) Sink(parent, ranks[parent], firings[parent]);
            ordered = true;
        }
        (rank, firing) = (ranks[0], firings[0]);
        if (count == 0) return false;
        count--;
        Sink(0, ranks[count], firings[count]);
        return true;
    }

    // Puts a firing at a place whose children are heaps, or below it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Sink(int at, ulong rank, int firing)
    {
        while (true)
        {
            int child = (2 * at) + 1;
            if (child >= count) break;
            if (child + 1 < count && ranks[child + 1] < ranks[child]) child++;
            if (ranks[child] >= rank) break;
            (ranks[at], firings[at]) = (ranks[child], firings[child]);
            at = child;
        }
        (ranks[at], firings[at]) = (rank, firing);
    }
}
