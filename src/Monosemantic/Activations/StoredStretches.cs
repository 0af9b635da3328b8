namespace Monosemantic.Activations;

/// <summary>
/// Finds the rows of a store by document and position. It looks at where all rows come from once, and keeps one entry for each
/// stretch of consecutive positions; activations are read when they are asked for.
/// </summary>
internal sealed class StoredStretches
{
    private readonly ActivationStore store;
    private readonly Dictionary<int, List<Stretch>> documents = [];

    internal StoredStretches(ActivationStore store)
    {
        this.store = store;
        for (int shard = 0; shard < store.Manifest.Shards.Length; shard++)
        {
            RowOrigins origins = store.ReadOrigins(new ShardRange(shard, 0, store.Manifest.Shards[shard].Rows));
            AddShard(shard, origins.Documents, origins.Positions);
        }
    }

    /// <summary>Reads consecutive positions of a document; inserted tokens between them are passed over.</summary>
    /// <param name="document">Index of the document.</param>
    /// <param name="position">The first position.</param>
    /// <param name="values">Gets the activations [n, d_model], as many rows as it has room for.</param>
    internal void Read(int document, int position, Span<float> values)
    {
        List<Stretch> stretches = documents[document];
        int width = store.DModel, at = Containing(stretches, position);
        for (; !values.IsEmpty; at++)
        {
            Stretch from = stretches[at];
            int skipped = position - from.Position, rows = Math.Min(values.Length / width, from.Rows - skipped);
            if (skipped < 0) throw new InvalidOperationException($"{store.Folder} has no row of position {position} of document {document}");
            Copy(from.Shard, from.First + skipped, values[..(rows * width)]);
            position += rows;
            values = values[(rows * width)..];
        }
    }

    /// <summary>Reads as many consecutive positions of each of some documents, shared out to threads.</summary>
    /// <param name="starts">Document and first position of each [n].</param>
    /// <param name="rows">Rows of each.</param>
    /// <param name="values">Gets the activations [n, rows, d_model].</param>
    internal unsafe void Read((int Document, int Position)[] starts, int rows, Span<float> values)
    {
        int size = rows * store.DModel;
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, starts.Length * size);
        fixed (float* all = values)
        {
            nint address = (nint)all;
            ParallelRows.For(starts.Length, size * sizeof(float), (first, last) =>
            {
                for (int i = first; i < last; i++) Read(starts[i].Document, starts[i].Position, new Span<float>((float*)address + ((long)i * size), size));
            });
        }
    }

    private void AddShard(int shard, int[] of, int[] positions)
    {
        for (int first = 0, end; first < of.Length; first = end)
        {
            end = first + 1;
            if (positions[first] < 0) continue;
            while (end < of.Length && of[end] == of[first] && positions[end] == positions[end - 1] + 1) end++;
            if (!documents.TryGetValue(of[first], out List<Stretch>? stretches)) documents.Add(of[first], stretches = []);
            stretches.Add(new(positions[first], end - first, shard, first));
        }
    }

    // A document's stretches ascend.
    private static int Containing(List<Stretch> stretches, int position)
    {
        int low = 0, high = stretches.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (stretches[middle].Position <= position) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    private void Copy(int shard, int first, Span<float> values)
    {
        MappedShard mapped = store.Maps.Take(shard);
        try
        {
            mapped.Populate(first, values.Length / store.DModel);
            mapped.CopyRows(first, values);
        }
        finally
        {
            store.Maps.Return(shard);
        }
    }

    /// <summary>Consecutive positions of a document in consecutive rows of a shard.</summary>
    private readonly record struct Stretch(int Position, int Rows, int Shard, int First);
}
