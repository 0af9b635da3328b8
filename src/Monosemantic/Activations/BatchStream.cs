namespace Monosemantic.Activations;

/// <summary>
/// Cuts windows into batches, ahead of whoever reads them: while one batch is used, the other buffer is filled in the background,
/// and a task prepares the next window. Exactly two buffers and at most two windows; what goes wrong there reaches the reader.
/// </summary>
internal sealed class BatchStream : IDisposable
{
    private readonly IWindowSequence windows;
    private readonly int rows, dModel;
    private readonly CancellationTokenSource stop = new();
    private Task<IRowWindow?> next;
    private BatchFill? pending;
    private IRowWindow? window;
    private int at;
    private long index;

    private BatchStream(IWindowSequence windows, int rows, int dModel, long firstIndex)
    {
        this.windows = windows;
        this.rows = rows;
        this.dModel = dModel;
        index = firstIndex;
        next = Prepare();
    }

    /// <summary>The batches of a sequence of windows; all but the last are full.</summary>
    /// <param name="windows">Makes the windows, anew for each time the stream is read.</param>
    /// <param name="rows">Rows in a batch.</param>
    /// <param name="dModel">Width of a row.</param>
    /// <param name="firstIndex">Number of the first batch.</param>
    public static IEnumerable<ActivationBatch> Of(Func<IWindowSequence> windows, int rows, int dModel, long firstIndex = 0)
    {
        var stream = new BatchStream(windows(), rows, dModel, firstIndex);
        BatchBuffer filling = new(rows, dModel), free = new(rows, dModel);
        try
        {
            while (stream.Await(filling) is { } ready)
            {
                (filling, free) = (free, filling);
                stream.Start(filling);
                yield return ready;
            }
        }
        finally
        {
            stream.Dispose();
            // The last batches may be looked at after the end, when the files behind them may be gone.
            foreach (BatchBuffer buffer in new[] { filling, free }) if (buffer.Filled > 0) buffer.ValuesInArray();
        }
    }

    /// <summary>Ends the tasks: a reader that stops early must not leave one behind that reads files or runs the model.</summary>
    public void Dispose()
    {
        stop.Cancel();
        pending?.Abandon();
        // Nobody asked for its outcome.
        ((IAsyncResult)next).AsyncWaitHandle.WaitOne();
        _ = next.Exception;
        if (next.IsCompletedSuccessfully) next.Result?.Dispose();
        window?.Dispose();
        stop.Dispose();
    }

    private ActivationBatch? Await(BatchBuffer buffer)
    {
        if (pending is null) Start(buffer);
        return pending!.Wait();
    }

    private void Start(BatchBuffer buffer) => pending = BatchFill.Start(buffer, () => Plan(buffer));

    private ActivationBatch? Plan(BatchBuffer buffer)
    {
        buffer.Clear();
        while (buffer.Filled < rows && HasRow(buffer)) at += buffer.Take(window!, at);
        return buffer.Filled == 0 ? null : new ActivationBatch(buffer, buffer.Filled, dModel, index++);
    }

    private bool HasRow(BatchBuffer buffer)
    {
        bool first = window is null;
        while (window is null || at == window.Rows)
        {
            IRowWindow? following = next.GetAwaiter().GetResult();
            if (following is null) return false;
            buffer.CopyAll();
            window?.Dispose();
            window = following;
            window.Begin();
            at = first ? windows.FirstRow : 0;
            first = false;
            next = Prepare();
        }
        return true;
    }

    private Task<IRowWindow?> Prepare() => Task.Run(() => windows.Next(stop.Token));
}
