namespace Monosemantic.Activations;

/// <summary>Consecutive rows of one split, by their number in it.</summary>
/// <param name="First">The first row.</param>
/// <param name="Count">Number of rows.</param>
internal readonly record struct RowRange(long First, int Count);

/// <summary>Some rows, at hand, in the order in which they are given out.</summary>
internal interface IRowWindow : IDisposable
{
    /// <summary>Number of rows.</summary>
    int Rows { get; }

    /// <summary>Called once before rows are read, when the window before this one was given up.</summary>
    void Begin();

    /// <summary>Copies rows [n, d_model]; several threads may do so at a time.</summary>
    /// <param name="first">The first of them, in the window's order.</param>
    /// <param name="values">Where they go; its length says how many.</param>
    void Gather(int first, Span<float> values);

    /// <summary>Where rows come from; may be asked after the window was given up.</summary>
    /// <param name="first">The first of them, in the window's order.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="origins">Where the answer goes.</param>
    /// <param name="at">From which row of that on.</param>
    void ReadOrigins(int first, int count, RowOrigins origins, int at);

    /// <summary>The memory in which rows lie as float32, one after the other; null where they do not. Keeps it alive until returned.</summary>
    /// <param name="first">The first of them, in the window's order.</param>
    /// <param name="count">Number of rows.</param>
    RowsInPlace? Borrow(int first, int count);
}

/// <summary>Rows as they lie in a mapped file.</summary>
/// <param name="address">Of the first number.</param>
/// <param name="length">How many numbers.</param>
/// <param name="giveBack">Ends the loan.</param>
internal sealed unsafe class RowsInPlace(float* address, int length, Action giveBack)
{
    private int returned;

    public ReadOnlySpan<float> Values => returned == 0 ? new(address, length) : throw new InvalidOperationException("the rows were given back");

    /// <summary>Copies them.</summary>
    /// <param name="target">Where they go.</param>
    public void CopyTo(float[] target)
    {
        ObjectDisposedException.ThrowIf(returned != 0, this);
        ParallelRows.For(length, sizeof(float), (from, end) => new ReadOnlySpan<float>(address + from, end - from).CopyTo(target.AsSpan(from)));
    }

    public void Return()
    {
        if (Interlocked.Exchange(ref returned, 1) == 0) giveBack();
    }
}

/// <summary>The rows of a split, in blocks that are cheap to get at whole.</summary>
internal interface IRowBlocks
{
    /// <summary>Number of the first row of each block, ascending from 0, and the number of rows at the end.</summary>
    long[] Starts { get; }

    /// <summary>Number of parts in which the rows are read in order.</summary>
    int Parts { get; }

    /// <summary>A part, its rows in order.</summary>
    IRowWindow OpenPart(int part, CancellationToken cancellation);

    /// <summary>Ranges of rows, in an order of their own.</summary>
    /// <param name="ranges">The ranges; none crosses the end of a block.</param>
    /// <param name="order">Which of the ranges' rows, counted through, comes first, second and so on; kept.</param>
    /// <param name="cancellation">Stops the work.</param>
    IRowWindow Open(RowRange[] ranges, int[] order, CancellationToken cancellation);
}
