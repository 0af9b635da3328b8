using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Encoder product and selection in one sweep over tiles of rows, so that the [n, d_sae] matrix never exists whole. The same
/// sweep serves inference, the training forward and the auxiliary loss.
/// </summary>
/// <param name="threads">Most workers at a time.</param>
internal sealed unsafe class SaeEncoder(int threads) : IDisposable
{
    private readonly EncoderTiles tiles = new();

    /// <summary>Fills the builder with the entries of all rows.</summary>
    /// <param name="inputs">Centred inputs [n, d_in].</param>
    /// <param name="encoder">Encoder rows [width, d_in].</param>
    /// <param name="selector">Makes a selector for a tile.</param>
    /// <param name="into">Receives the entries.</param>
    /// <param name="most">Entries that are too many to go on with.</param>
    /// <param name="afterTile">Called with a tile's entries, first row and row count; null for nothing.</param>
    /// <returns>False where there were more entries than that; the code is of no use then.</returns>
    internal bool Encode(Tensor inputs, Tensor encoder, Func<RowSelector> selector, CodeBuilder into, long most = long.MaxValue, Action<TileEntries, int, int>? afterTile = null)
    {
        int width = checked((int)encoder.shape[0]), n = checked((int)inputs.shape[0]);
        into.Begin(n, EncoderTiles.RowsOf(width));
        long total = 0;
        tiles.For(inputs, encoder, threads, (product, start, rows) =>
        {
            if (Interlocked.Read(ref total) > most) return;
            TileEntries entries = into.TileAt(start);
            RowSelector select = selector();
            for (int row = 0; row < rows && entries.Count <= most; row++)
            {
                select.Select(product + ((long)row * width), entries);
                entries.EndRow();
            }
            if (Interlocked.Add(ref total, entries.Count) <= most) afterTile?.Invoke(entries, start, rows);
        });
        return total <= most;
    }

    /// <summary>Frees the tiles' memory.</summary>
    public void Dispose() => tiles.Dispose();
}
