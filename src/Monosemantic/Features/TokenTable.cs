namespace Monosemantic.Features;

/// <summary>What one token did to one unit. 24 bytes.</summary>
internal struct TokenTally
{
    internal double Sum;
    internal long Count;
    internal float Max;
    internal int Key;

    internal readonly int Token => Key - 1;
}

/// <summary>The tokens that fire one unit: an open-addressing table keyed by token id, with a limit to its entries.</summary>
/// <param name="limit">Entries at which it forgets the half with the least total activation; at least 2.</param>
internal sealed class TokenTable(int limit)
{
    private TokenTally[] slots = new TokenTally[8];
    private int used;

    /// <summary>Whether entries were forgotten.</summary>
    internal bool Pruned { get; private set; }

    internal void Add(int token, float activation)
    {
        ref TokenTally slot = ref Find(token);
        if (slot.Key == 0)
        {
            if (MakeRoom()) slot = ref Find(token);
            slot.Key = token + 1;
            used++;
        }
        slot.Sum += activation;
        slot.Count++;
        slot.Max = Math.Max(slot.Max, activation);
    }

    /// <summary>Most total activation first, ties by token id.</summary>
    internal TokenTally[] Ordered()
    {
        var entries = new TokenTally[used];
        int count = 0;
        foreach (ref readonly TokenTally slot in slots.AsSpan())
        {
            if (slot.Key != 0) entries[count++] = slot;
        }
        Array.Sort(entries, static (a, b) => a.Sum != b.Sum ? b.Sum.CompareTo(a.Sum) : a.Key.CompareTo(b.Key));
        return entries;
    }

    private ref TokenTally Find(int token)
    {
        int mask = slots.Length - 1, key = token + 1;
        int at = (int)(((uint)token * 0x9E3779B1u) >> 7) & mask;
        while (slots[at].Key != key && slots[at].Key != 0) at = (at + 1) & mask;
        return ref slots[at];
    }

    // Whether the slots moved.
    private bool MakeRoom()
    {
        if (used >= limit)
        {
            Pruned = true;
            Rebuild(Ordered().AsSpan(0, limit / 2), slots.Length);
            return true;
        }
        if (used * 4 < slots.Length * 3) return false;
        Rebuild(slots, slots.Length * 2);
        return true;
    }

    private void Rebuild(ReadOnlySpan<TokenTally> kept, int size)
    {
        slots = new TokenTally[size];
        used = 0;
        foreach (TokenTally entry in kept)
        {
            if (entry.Key == 0) continue;
            Find(entry.Token) = entry;
            used++;
        }
    }
}
