namespace Monosemantic.Activations;

/// <summary>The arrays behind one batch.</summary>
internal sealed class BatchBuffer(int rows, int dModel)
{
    public float[] Values { get; } = new float[rows * dModel];

    public int[] Documents { get; } = new int[rows];

    public int[] Positions { get; } = new int[rows];

    public int[] Tokens { get; } = new int[rows];

    /// <summary>Most rows that fit.</summary>
    public int Capacity => rows;

    /// <summary>Where some rows' values go.</summary>
    public Span<float> Rows(int first, int count) => Values.AsSpan(first * dModel, count * dModel);

    /// <summary>Copies where a row comes from.</summary>
    public void SetOrigins(int at, RowOrigins origins, int row, int count)
    {
        origins.Documents.AsSpan(row, count).CopyTo(Documents.AsSpan(at));
        origins.Positions.AsSpan(row, count).CopyTo(Positions.AsSpan(at));
        origins.Tokens.AsSpan(row, count).CopyTo(Tokens.AsSpan(at));
    }

    /// <summary>The batch of the first rows.</summary>
    public ActivationBatch Batch(int count) => new() { Rows = count, DModel = dModel, Values = Values, Documents = Documents, Positions = Positions, Tokens = Tokens };
}

/// <summary>
/// Runs a source one batch ahead of its consumer: while one buffer is being used, a task fills the other. Exactly two buffers,
/// one task at a time, and the task's exception reaches the consumer.
/// </summary>
internal static class BatchStream
{
    /// <summary>The batches of a source, whose arrays are reused for the batch after the next.</summary>
    /// <param name="fill">Fills a buffer and returns its batch; null at the end. Never called twice at once.</param>
    /// <param name="rows">Rows in a batch.</param>
    /// <param name="dModel">Width of a row.</param>
    public static IEnumerable<ActivationBatch> Of(Func<BatchBuffer, ActivationBatch?> fill, int rows, int dModel)
    {
        BatchBuffer filling = new(rows, dModel), free = new(rows, dModel);
        Task<ActivationBatch?> pending = Start(fill, filling);
        try
        {
            while (pending.GetAwaiter().GetResult() is { } ready)
            {
                (filling, free) = (free, filling);
                pending = Start(fill, filling);
                yield return ready;
            }
        }
        finally
        {
            // A consumer that stops early must not leave a task behind that reads the store; nobody asked for its outcome.
            ((IAsyncResult)pending).AsyncWaitHandle.WaitOne();
            _ = pending.Exception;
        }
    }

    private static Task<ActivationBatch?> Start(Func<BatchBuffer, ActivationBatch?> fill, BatchBuffer buffer) => Task.Run(() => fill(buffer));
}
