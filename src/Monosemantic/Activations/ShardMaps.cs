namespace Monosemantic.Activations;

/// <summary>
/// The mapped shards of a store. A shard is mapped when it is first asked for, and stays so while anybody uses it; of the others
/// the last ones used stay mapped too, so that open files are bounded however many shards there are. Thread-safe.
/// </summary>
/// <param name="map">Maps a shard.</param>
/// <param name="most">How many shards stay mapped that nobody uses.</param>
internal sealed class ShardMaps(Func<int, MappedShard> map, int most = 64) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<int, Entry> entries = [];
    private readonly LinkedList<Entry> idle = [];
    private bool disposed;

    /// <summary>A shard, mapped until it is given back as often as it was asked for.</summary>
    /// <exception cref="ObjectDisposedException">The store was closed.</exception>
    public MappedShard Take(int shard)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, typeof(ActivationStore));
            if (!entries.TryGetValue(shard, out Entry? entry)) entries[shard] = entry = new(shard, map(shard));
            if (entry.Users++ == 0 && entry.Idle is not null) idle.Remove(entry.Idle);
            entry.Idle = null;
            return entry.Mapped;
        }
    }

    /// <summary>Ends one use of a shard.</summary>
    public void Return(int shard)
    {
        lock (gate)
        {
            Entry entry = entries[shard];
            if (--entry.Users > 0) return;
            entry.Idle = idle.AddLast(entry);
            Trim(disposed ? 0 : most);
        }
    }

    /// <summary>Unmaps what nobody uses; what is used goes when it is given back.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            Trim(0);
        }
    }

    private void Trim(int keep)
    {
        while (idle.Count > keep)
        {
            Entry oldest = idle.First!.Value;
            idle.RemoveFirst();
            entries.Remove(oldest.Shard);
            oldest.Mapped.Dispose();
        }
    }

    private sealed class Entry(int shard, MappedShard mapped)
    {
        public int Shard => shard;

        public MappedShard Mapped => mapped;

        public int Users { get; set; }

        public LinkedListNode<Entry>? Idle { get; set; }
    }
}
