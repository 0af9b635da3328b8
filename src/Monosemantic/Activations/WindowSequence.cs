namespace Monosemantic.Activations;

/// <summary>Windows one after the other. Not thread-safe: whoever reads a stream has one of its own.</summary>
internal interface IWindowSequence
{
    /// <summary>Where reading begins in the first window.</summary>
    int FirstRow { get; }

    /// <summary>The next window; null at the end.</summary>
    IRowWindow? Next(CancellationToken cancellation);
}

/// <summary>Every row in order, part by part.</summary>
/// <param name="blocks">The rows.</param>
internal sealed class RowsInOrder(IRowBlocks blocks) : IWindowSequence
{
    private int part;

    public int FirstRow => 0;

    public IRowWindow? Next(CancellationToken cancellation) => part < blocks.Parts ? blocks.OpenPart(part++, cancellation) : null;
}

/// <summary>Epoch after epoch in random order.</summary>
internal sealed class MixedRows : IWindowSequence
{
    private readonly IRowBlocks blocks;
    private readonly MixedOrder order;
    private readonly long epochs;
    private EpochOrder epoch;
    private int window;

    /// <summary>Goes to a row of the stream.</summary>
    /// <param name="blocks">The rows.</param>
    /// <param name="order">Their order.</param>
    /// <param name="firstRow">The row of the stream to begin with; the next epoch follows on the last row of one.</param>
    /// <param name="epochs">Number of the epoch to stop before; 0 for none.</param>
    public MixedRows(IRowBlocks blocks, MixedOrder order, long firstRow, long epochs)
    {
        this.blocks = blocks;
        this.order = order;
        this.epochs = epochs;
        epoch = order.Epoch(firstRow / order.Rows);
        long inEpoch = firstRow % order.Rows;
        window = epoch.WindowOf(inEpoch);
        FirstRow = (int)(inEpoch - epoch.FirstRows[window]);
    }

    public int FirstRow { get; }

    public IRowWindow? Next(CancellationToken cancellation)
    {
        if (window == epoch.FirstPieces.Count) (epoch, window) = (order.Epoch(epoch.Number + 1), 0);
        if (epochs > 0 && epoch.Number >= epochs) return null;
        (RowRange[] ranges, int[] rows) = order.Window(epoch, window++);
        return blocks.Open(ranges, rows, cancellation);
    }
}
