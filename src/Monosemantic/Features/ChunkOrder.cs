namespace Monosemantic.Features;

/// <summary>
/// The few firings of a chunk that can still get into a list that is kept, ordered by what the list ranks by: best first, so
/// that most of them are turned away before anything is made of them. One per worker, used for one list after the other.
/// </summary>
internal sealed class ChunkOrder
{
    private ulong[] ranks = new ulong[64];
    private int[] firings = new int[64];
    private int count;

    /// <summary>Empties it.</summary>
    internal void Clear() => count = 0;

    /// <summary>Adds a firing, by its number among the unit's.</summary>
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

    /// <summary>The firings by ascending rank. No two have the same.</summary>
    internal ReadOnlySpan<int> Sorted()
    {
        Array.Sort(ranks, firings, 0, count);
        return firings.AsSpan(0, count);
    }
}
