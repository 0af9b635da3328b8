using System.Buffers;
using System.Runtime.CompilerServices;

namespace Monosemantic.Features;

/// <summary>What one token, or one other unit, did to one unit. 24 bytes.</summary>
internal struct Tally
{
    internal double Sum;
    internal long Count;
    internal float Max;
    internal int Key;

    internal readonly int Id => Key - 1;
}

/// <summary>The tokens that fire one unit, or the units that fire with it: an open-addressing table with a limit to its entries.</summary>
/// <param name="limit">Entries at which it forgets the half with the smallest sums; at least 2.</param>
internal sealed class TallyTable(int limit)
{
    private Tally[] slots = new Tally[8];
    private int used;

    /// <summary>Whether entries were forgotten.</summary>
    internal bool Pruned { get; private set; }

    internal void Add(int id, double amount)
    {
        ref Tally slot = ref Find(id);
        if (slot.Key == 0)
        {
            if (MakeRoom()) slot = ref Find(id);
            slot.Key = id + 1;
            used++;
        }
        slot.Sum += amount;
        slot.Count++;
        slot.Max = Math.Max(slot.Max, (float)amount);
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(Pruned);
        state.Write(used);
        state.WriteAll<Tally>(slots);
    }

    internal void Load(BinaryReader state)
    {
        Pruned = state.ReadBoolean();
        used = state.ReadInt32();
        slots = state.ReadAll<Tally>();
    }

    /// <summary>Largest sum first, ties by id.</summary>
    internal Tally[] Ordered()
    {
        Tally[] entries = Entries();
        Array.Sort(entries, static (a, b) => a.Sum != b.Sum ? b.Sum.CompareTo(a.Sum) : a.Key.CompareTo(b.Key));
        return entries;
    }

    /// <summary>In no order.</summary>
    internal Tally[] Entries()
    {
        var entries = new Tally[used];
        CopyTo(entries);
        return entries;
    }

    // Quickselect: afterwards the first `count` are those that would come first in order, in no order. Keys are distinct.
    private static void MoveLargestFirst(Span<Tally> entries, int count)
    {
        int low = 0, high = entries.Length - 1;
        while (low < high)
        {
            Tally pivot = entries[(low + high) >>> 1];
            int left = low, right = high;
            while (left <= right)
            {
                while (Before(entries[left], pivot)) left++;
                while (Before(pivot, entries[right])) right--;
                if (left > right) break;
                (entries[left], entries[right]) = (entries[right], entries[left]);
                left++;
                right--;
            }
            if (count - 1 <= right) high = right;
            else if (count - 1 >= left) low = left;
            else return;
        }
    }

    private static bool Before(in Tally a, in Tally b) => a.Sum > b.Sum || (a.Sum == b.Sum && a.Key < b.Key);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private ref Tally Find(int id)
    {
        int mask = slots.Length - 1, key = id + 1;
        int at = (int)(((uint)id * 0x9E3779B1u) >> 7) & mask;
        while (slots[at].Key != key && slots[at].Key != 0) at = (at + 1) & mask;
        return ref slots[at];
    }

    // Whether the slots moved. A table of many ids is pruned over and over, and so makes nothing anew for it.
    private bool MakeRoom()
    {
        if (used >= limit)
        {
            Pruned = true;
            Tally[] rented = ArrayPool<Tally>.Shared.Rent(used);
            Span<Tally> entries = rented.AsSpan(0, used);
            CopyTo(entries);
            MoveLargestFirst(entries, limit / 2);
            Array.Clear(slots);
            Place(entries[..(limit / 2)]);
            ArrayPool<Tally>.Shared.Return(rented);
            return true;
        }
        if (used * 4 < slots.Length * 3) return false;
        Tally[] before = slots;
        slots = new Tally[before.Length * 2];
        Place(before);
        return true;
    }

    private void CopyTo(Span<Tally> entries)
    {
        int count = 0;
        foreach (ref readonly Tally slot in slots.AsSpan())
        {
            if (slot.Key != 0) entries[count++] = slot;
        }
    }

    // Fills the empty slots.
    private void Place(ReadOnlySpan<Tally> kept)
    {
        used = 0;
        foreach (ref readonly Tally entry in kept)
        {
            if (entry.Key == 0) continue;
            Find(entry.Id) = entry;
            used++;
        }
    }
}
