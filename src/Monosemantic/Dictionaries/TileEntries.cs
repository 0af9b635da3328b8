namespace Monosemantic.Dictionaries;

/// <summary>
/// The entries that one tile of rows contributes to a code: feature, pre-activation and value of each, row after row. Grows
/// as selectors append; the arrays are pinned, so that kernels may keep their addresses until the next growth.
/// </summary>
internal sealed unsafe class TileEntries
{
    private int[] features = [];
    private float[] pres = [], values = [];

    /// <summary>Number of entries so far.</summary>
    internal int Count { get; private set; }

    /// <summary>Where each finished row ends.</summary>
    internal List<int> RowEnds { get; } = [];

    /// <summary>Feature of each entry.</summary>
    internal int* Features { get; private set; }

    /// <summary>Pre-activation of each entry.</summary>
    internal float* Pres { get; private set; }

    /// <summary>What the decoder multiplies its row by.</summary>
    internal float* Values { get; private set; }

    /// <summary>Forgets the entries, keeps the memory.</summary>
    internal void Clear()
    {
        Count = 0;
        RowEnds.Clear();
    }

    /// <summary>Drops the entries from a number on; the rows' ends must have been moved.</summary>
    internal void Truncate(int count) => Count = count;

    /// <summary>Makes room for more entries.</summary>
    internal void Reserve(int more)
    {
        int needed = checked(Count + more);
        if (needed <= features.Length) return;
        int capacity = Math.Max(needed, (int)Math.Min(2L * features.Length, int.MaxValue / 2));
        features = Grown(features, capacity, Count);
        pres = Grown(pres, capacity, Count);
        values = Grown(values, capacity, Count);
        Features = Address(features);
        Pres = Address(pres);
        Values = Address(values);
    }

    /// <summary>Appends an entry whose value is its pre-activation; room must have been made.</summary>
    internal void Add(int feature, float pre)
    {
        Features[Count] = feature;
        Pres[Count] = pre;
        Values[Count++] = pre;
    }

    /// <summary>Appends entries of another tile.</summary>
    /// <param name="from">The other one.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="end">The one after the last.</param>
    internal void Append(TileEntries from, int first, int end)
    {
        int count = end - first;
        Reserve(count);
        new ReadOnlySpan<int>(from.Features + first, count).CopyTo(new(Features + Count, count));
        new ReadOnlySpan<float>(from.Pres + first, count).CopyTo(new(Pres + Count, count));
        new ReadOnlySpan<float>(from.Values + first, count).CopyTo(new(Values + Count, count));
        Count += count;
    }

    /// <summary>Moves an entry to an earlier place.</summary>
    internal void Move(int from, int to) => (Features[to], Pres[to], Values[to]) = (Features[from], Pres[from], Values[from]);

    /// <summary>Marks the end of a row.</summary>
    internal void EndRow() => RowEnds.Add(Count);

    private static T[] Grown<T>(T[] old, int capacity, int count) where T : unmanaged
    {
        T[] grown = GC.AllocateUninitializedArray<T>(capacity, pinned: true);
        old.AsSpan(0, count).CopyTo(grown);
        return grown;
    }

    private static T* Address<T>(T[] pinned) where T : unmanaged
    {
        fixed (T* at = pinned) return at;
    }
}
