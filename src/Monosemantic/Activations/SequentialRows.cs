namespace Monosemantic.Activations;

/// <summary>Goes through a store in file order, one shard's origins at a time.</summary>
internal sealed class SequentialRows(ActivationStore store, StoreSplit split)
{
    private readonly SplitMembership membership = new(store.Manifest.Plan.Split, split);
    private RowOrigins? origins;
    private int shard = -1, row, rows;

    /// <summary>Fills a buffer with the next rows of the split; null at the end.</summary>
    public ActivationBatch? Fill(BatchBuffer buffer)
    {
        int filled = 0;
        while (filled < buffer.Capacity && SeekRow())
        {
            int count = RunLength(buffer.Capacity - filled);
            store.CopyRows(shard, row, buffer.Rows(filled, count));
            buffer.SetOrigins(filled, origins!, row, count);
            row += count;
            filled += count;
        }
        return filled == 0 ? null : buffer.Batch(filled);
    }

    // Goes to the next row of the split; false at the end of the store.
    private bool SeekRow()
    {
        while (true)
        {
            for (; row < rows; row++) if (membership.Contains(origins!.Documents[row])) return true;
            if (shard + 1 == store.Manifest.Shards.Length) return false;
            shard++;
            (row, rows) = (0, store.Manifest.Shards[shard].Rows);
            origins = store.ReadOrigins(shard);
        }
    }

    private int RunLength(int limit)
    {
        int end = row + 1, last = Math.Min(rows, row + limit);
        while (end < last && membership.Contains(origins!.Documents[end])) end++;
        return end - row;
    }
}

/// <summary>Whether documents belong to a part of a store; asks the split's hash only when the document changes.</summary>
internal sealed class SplitMembership(Text.DocumentSplit documents, StoreSplit split)
{
    private int last = -1;
    private bool lastBelongs = split == StoreSplit.All;

    public bool Contains(int document)
    {
        if (split == StoreSplit.All || document == last) return lastBelongs;
        last = document;
        return lastBelongs = documents.IsHeldOut(document) == (split == StoreSplit.HeldOut);
    }
}
