using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// The random order of an epoch within a bounded buffer. Blocks are cut into pieces of at most a sixteenth of the buffer; the
/// pieces of the whole split are put in a random order; as many as fit follow each other in a window; and the rows of a window are
/// put in a random order. So a window holds rows from all over the split, every row comes once, and any window can be made
/// without those before it.
/// </summary>
internal sealed class MixedOrder
{
    private const int PiecesInBuffer = 16;
    private readonly long[] pieces;
    private readonly int bufferRows;
    private readonly long seed;

    /// <summary>Cuts the blocks.</summary>
    /// <param name="blockStarts">Number of the first row of each block, and the number of rows.</param>
    /// <param name="bufferRows">Most rows in a window.</param>
    /// <param name="seed">Seed of every order.</param>
    public MixedOrder(long[] blockStarts, int bufferRows, long seed)
    {
        this.bufferRows = bufferRows;
        this.seed = seed;
        pieces = Cut(blockStarts, Math.Max(1, bufferRows / PiecesInBuffer));
    }

    /// <summary>Number of rows in an epoch.</summary>
    public long Rows => pieces[^1];

    /// <summary>The windows of an epoch.</summary>
    public EpochOrder Epoch(long epoch)
    {
        int[] order = new int[pieces.Length - 1];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        new SeededRandom(seed, StreamOf(epoch, 0)).Shuffle<int>(order);
        List<int> firstPieces = [];
        List<long> firstRows = [];
        long row = 0;
        for (int i = 0, inWindow = 0; i < order.Length; i++)
        {
            int rows = RowsOf(order[i]);
            if (firstPieces.Count == 0 || inWindow + rows > bufferRows)
            {
                firstPieces.Add(i);
                firstRows.Add(row);
                inWindow = 0;
            }
            inWindow += rows;
            row += rows;
        }
        return new EpochOrder(epoch, order, firstPieces, firstRows);
    }

    /// <summary>What a window of an epoch holds, and in which order.</summary>
    public (RowRange[] Ranges, int[] Order) Window(EpochOrder epoch, int window)
    {
        int from = epoch.FirstPieces[window], to = window + 1 < epoch.FirstPieces.Count ? epoch.FirstPieces[window + 1] : epoch.Pieces.Length;
        RowRange[] ranges = [.. epoch.Pieces.AsSpan(from, to - from).ToArray().Select(piece => new RowRange(pieces[piece], RowsOf(piece)))];
        int[] order = new int[ranges.Sum(range => range.Count)];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        new SeededRandom(seed, StreamOf(epoch.Number, window + 1)).Shuffle<int>(order);
        return (ranges, order);
    }

    private int RowsOf(int piece) => (int)(pieces[piece + 1] - pieces[piece]);

    private static long StreamOf(long epoch, long window) => (epoch << 32) | window;

    private static long[] Cut(long[] blockStarts, int most)
    {
        var starts = new List<long>(blockStarts.Length);
        for (int block = 0; block + 1 < blockStarts.Length; block++)
        {
            long first = blockStarts[block], rows = blockStarts[block + 1] - first, count = (rows + most - 1) / most;
            for (long piece = 0; piece < count; piece++) starts.Add(first + (rows * piece / count));
        }
        starts.Add(blockStarts[^1]);
        return [.. starts];
    }
}

/// <summary>The windows of one epoch.</summary>
/// <param name="Number">Which epoch.</param>
/// <param name="Pieces">The pieces in their order.</param>
/// <param name="FirstPieces">Place in that order of each window's first piece.</param>
/// <param name="FirstRows">Number of each window's first row in the epoch.</param>
internal sealed record EpochOrder(long Number, int[] Pieces, List<int> FirstPieces, List<long> FirstRows)
{
    /// <summary>The window that holds a row of the epoch.</summary>
    public int WindowOf(long row)
    {
        int found = FirstRows.BinarySearch(row);
        return found >= 0 ? found : ~found - 1;
    }
}
