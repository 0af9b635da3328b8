namespace Monosemantic.Activations;

/// <summary>
/// The memory behind one batch. First it is decided which rows it takes; then they are copied in shares, by as many threads as
/// there are. Its origins are made when they are first asked for.
/// </summary>
internal sealed class BatchBuffer(int rows, int dModel)
{
    private readonly List<(IRowWindow Window, int First, int Count)> sources = [];
    private readonly List<(IRowWindow Window, int First, int Count, int At)> shares = [];
    private readonly int rowsOfShare = Math.Max(1, ParallelRows.LeastBytes / (dModel * sizeof(float)));
    private float[]? values;
    private RowOrigins? origins;
    private RowsInPlace? inPlace;
    private bool hasOrigins;

    /// <summary>Goes up each time the memory is used anew.</summary>
    public long Generation { get; private set; }

    /// <summary>Number of rows that it takes.</summary>
    public int Filled { get; private set; }

    /// <summary>Number of shares that are to be copied.</summary>
    public int Shares => shares.Count;

    /// <summary>Forgets what it holds.</summary>
    public void Clear()
    {
        Generation++;
        inPlace?.Return();
        (inPlace, hasOrigins, Filled) = (null, false, 0);
        sources.Clear();
        shares.Clear();
    }

    /// <summary>Decides to take rows of a window, as many as fit; returns how many.</summary>
    public int Take(IRowWindow window, int first)
    {
        int count = Math.Min(rows - Filled, window.Rows - first);
        if (count == rows) inPlace = window.Borrow(first, count);
        if (inPlace is null)
        {
            values ??= new float[rows * dModel];
            for (int row = 0; row < count; row += rowsOfShare) shares.Add((window, first + row, Math.Min(rowsOfShare, count - row), Filled + row));
        }
        sources.Add((window, first, count));
        Filled += count;
        return count;
    }

    /// <summary>Copies one share.</summary>
    public void Copy(int share)
    {
        (IRowWindow window, int first, int count, int at) = shares[share];
        window.Gather(first, values.AsSpan(at * dModel, count * dModel));
    }

    /// <summary>Copies every share there is so far: their window is about to go.</summary>
    public void CopyAll()
    {
        for (int share = 0; share < shares.Count; share++) Copy(share);
        shares.Clear();
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
