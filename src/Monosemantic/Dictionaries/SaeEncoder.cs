using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Encoder product and selection in one sweep over tiles, so that the [n, d_sae] matrix never exists whole. The same sweep
/// serves inference, the training forward and the auxiliary loss. What a row's stretches of features give is collected apart,
/// and joined and narrowed after the last one.
/// </summary>
/// <param name="threads">Most workers at a time.</param>
internal sealed unsafe class SaeEncoder(int threads) : IDisposable
{
    private readonly EncoderTiles tiles = new();
    private readonly ConcurrentBag<Pieces> idle = [];

    /// <summary>Fills the builder with the entries of all rows.</summary>
    /// <param name="inputs">Centred inputs [n, d_in].</param>
    /// <param name="encoder">Encoder rows [width, d_in].</param>
    /// <param name="selector">Makes a selector for a part of the product.</param>
    /// <param name="into">Receives the entries.</param>
    /// <param name="most">Entries that are too many to go on with.</param>
    /// <param name="afterTile">Called with the entries of some rows, the first of them and their number; null for nothing.</param>
    /// <returns>False where there were more entries than that; the code is of no use then.</returns>
    internal bool Encode(Tensor inputs, Tensor encoder, Func<RowSelector> selector, CodeBuilder into, long most = long.MaxValue, Action<TileEntries, int, int>? afterTile = null)
    {
        int width = checked((int)encoder.shape[0]), n = checked((int)inputs.shape[0]);
        bool whole = selector().WantsWholeRows;
        int stretches = EncoderTiles.Stretches(width, whole), range = EncoderTiles.RangeOf(width, whole);
        into.Begin(n, range);
        if (!idle.TryTake(out Pieces? pieces)) pieces = new();
        pieces.Begin(n, stretches > 1 ? stretches : 0, range);
        long total = 0;
        tiles.For(inputs, encoder, whole, threads, part =>
        {
            if (Interlocked.Read(ref total) > most) return;
            RowSelector select = selector();
            TileEntries entries = into.TileAt(part.Start);
            int before = entries.Count;
            if (stretches == 1) Select(select, part, pieces.Bars, entries, most);
            else
            {
                TileEntries piece = pieces.At(part.Stretch, part.Start);
                Select(select, part, pieces.Bars, piece, most);
                before = -piece.Count;
            }
            if (Interlocked.Add(ref total, entries.Count - before) > most || part.End < width) return;
            if (stretches > 1) pieces.Join(select, part.Start, entries);
            afterTile?.Invoke(entries, part.Start, part.Rows);
        });
        idle.Add(pieces);
        return total <= most;
    }

    private static void Select(RowSelector select, ProductPart part, float[] bars, TileEntries entries, long most)
    {
        for (int row = 0; row < part.Rows && entries.Count <= most; row++)
        {
            select.Select(part.Row(row), part.First, part.End, ref bars[part.Start + row], entries);
            entries.EndRow();
        }
    }

    /// <summary>Frees the tiles' memory.</summary>
    public void Dispose() => tiles.Dispose();

    /// <summary>What the stretches of a batch give, range of rows by range, and what a rank must be above to count in each row.</summary>
    private sealed class Pieces
    {
        private readonly List<CodeBuilder> stretches = [];
        private int count;

        /// <summary>The bar of each row.</summary>
        internal float[] Bars { get; private set; } = [];

        internal void Begin(int rows, int stretchCount, int range)
        {
            if (Bars.Length < rows) Bars = new float[rows];
            Array.Fill(Bars, float.NegativeInfinity, 0, rows);
            count = stretchCount;
            while (stretches.Count < count) stretches.Add(new());
            foreach (CodeBuilder stretch in stretches.Take(count)) stretch.Begin(rows, range);
        }

        internal TileEntries At(int stretch, int row) => stretches[stretch].TileAt(row);

        internal void Join(RowSelector select, int start, TileEntries into)
        {
            TileEntries[] parts = [.. stretches.Take(count).Select(stretch => stretch.TileAt(start))];
            for (int row = 0; row < parts[0].RowEnds.Count; row++)
            {
                int first = into.Count;
                foreach (TileEntries part in parts) into.Append(part, row == 0 ? 0 : part.RowEnds[row - 1], part.RowEnds[row]);
                if (into.Count - first > select.Most) select.Narrow(into, first);
                into.EndRow();
            }
        }
    }
}
