using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// Goes through the rows of a split again and again, each time in a new random order. Row number p of the stream is
/// row p mod n of epoch p div n, whose order depends on the seed and the epoch alone; so any batch can be the first.
/// </summary>
internal sealed class ShuffledRows(ActivationStore store, StoreSplit split, long seed, long firstRow)
{
    private readonly int[] order = new int[store.RowCount(split)];
    private long next = firstRow, epoch = -1;

    /// <summary>Fills a buffer with the next rows; never ends.</summary>
    public ActivationBatch Fill(BatchBuffer buffer)
    {
        for (int filled = 0; filled < buffer.Capacity;)
        {
            if (next / order.Length != epoch) BeginEpoch(next / order.Length);
            int at = (int)(next % order.Length), count = Math.Min(buffer.Capacity - filled, order.Length - at);
            ReadOnlySpan<int> rows = order.AsSpan(at, count);
            store.Gather(rows, buffer.Rows(filled, count));
            buffer.SetOrigins(filled, store.AllOrigins, rows);
            filled += count;
            next += count;
        }
        return buffer.Batch(buffer.Capacity);
    }

    private void BeginEpoch(long which)
    {
        // From file order every time, so that an epoch does not depend on the ones before it.
        var membership = new SplitMembership(store.Manifest.Plan.Split, split);
        int[] documents = store.AllOrigins.Documents;
        int count = 0;
        for (int row = 0; row < documents.Length; row++) if (membership.Contains(documents[row])) order[count++] = row;
        if (count != order.Length) throw new UserErrorException($"{store.Folder} has {count:N0} rows in its {split} part, but its manifest says {order.Length:N0}", "copy the store again, or extract it again");
        new SeededRandom(seed, which).Shuffle<int>(order);
        epoch = which;
    }
}
