namespace Monosemantic.Activations;

/// <summary>The memory behind one batch. Its values and origins are made when they are first asked for.</summary>
internal sealed class BatchBuffer(int rows, int dModel)
{
    private readonly List<(IRowWindow Window, int First, int Count)> sources = [];
    private float[]? values;
    private RowOrigins? origins;
    private RowsInPlace? inPlace;
    private bool hasOrigins;

    /// <summary>Goes up each time the memory is used anew.</summary>
    public long Generation { get; private set; }

    /// <summary>Number of rows that it holds.</summary>
    public int Filled { get; private set; }

    /// <summary>Forgets what it holds.</summary>
    public void Clear()
    {
        Generation++;
        inPlace?.Return();
        (inPlace, hasOrigins, Filled) = (null, false, 0);
        sources.Clear();
    }

    /// <summary>Adds rows of a window, as many as fit; returns how many.</summary>
    public int Fill(IRowWindow window, int first)
    {
        int count = Math.Min(rows - Filled, window.Rows - first);
        if (count == rows) inPlace = window.Borrow(first, count);
        if (inPlace is null)
        {
            values ??= new float[rows * dModel];
            window.Gather(first, values.AsSpan(Filled * dModel, count * dModel));
        }
        sources.Add((window, first, count));
        Filled += count;
        return count;
    }

    /// <summary>The values where they lie.</summary>
    public ReadOnlySpan<float> ValuesInPlace() => inPlace is null ? values : inPlace.Values;

    /// <summary>The values in an array.</summary>
    public float[] ValuesInArray()
    {
        values ??= new float[rows * dModel];
        if (inPlace is null) return values;
        inPlace.CopyTo(values);
        inPlace.Return();
        inPlace = null;
        return values;
    }

    /// <summary>Where the rows come from.</summary>
    public RowOrigins Origins()
    {
        origins ??= new RowOrigins(rows);
        if (hasOrigins) return origins;
        int at = 0;
        foreach ((IRowWindow window, int first, int count) in sources)
        {
            window.ReadOrigins(first, count, origins, at);
            at += count;
        }
        hasOrigins = true;
        return origins;
    }
}

/// <summary>
/// Cuts windows into batches, ahead of whoever reads them: while one batch is used, a task fills the other buffer, and another
/// task prepares the next window. Exactly two buffers and at most two windows; what goes wrong in a task reaches the reader.
/// </summary>
internal sealed class BatchStream : IDisposable
{
    private readonly IWindowSequence windows;
    private readonly int rows, dModel;
    private readonly CancellationTokenSource stop = new();
    private Task<IRowWindow?> next;
    private Task<ActivationBatch?>? pending;
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
        // Nobody asked for the outcome of what is still under way.
        if (pending is not null) Settle(pending);
        Settle(next);
        if (next.IsCompletedSuccessfully) next.Result?.Dispose();
        window?.Dispose();
        stop.Dispose();
    }

    private ActivationBatch? Await(BatchBuffer buffer)
    {
        if (pending is null) Start(buffer);
        return pending!.GetAwaiter().GetResult();
    }

    private void Start(BatchBuffer buffer) => pending = Task.Run(() => Fill(buffer));

    private ActivationBatch? Fill(BatchBuffer buffer)
    {
        buffer.Clear();
        while (buffer.Filled < rows && HasRow()) at += buffer.Fill(window!, at);
        return buffer.Filled == 0 ? null : new ActivationBatch(buffer, buffer.Filled, dModel, index++);
    }

    private bool HasRow()
    {
        bool first = window is null;
        while (window is null || at == window.Rows)
        {
            IRowWindow? following = next.GetAwaiter().GetResult();
            if (following is null) return false;
            window?.Dispose();
            window = following;
            at = first ? windows.FirstRow : 0;
            first = false;
            next = Prepare();
        }
        return true;
    }

    private Task<IRowWindow?> Prepare() => Task.Run(() => windows.Next(stop.Token));

    private static void Settle(Task task)
    {
        ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        _ = task.Exception;
    }
}
