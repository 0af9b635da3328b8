namespace Monosemantic.Dictionaries;

/// <summary>
/// Collects the code of a batch: workers fill the tiles side by side, then the tiles are joined in order. The joined arrays
/// are reused from batch to batch, so that a code is valid until the builder is used again.
/// </summary>
internal sealed class CodeBuilder
{
    private readonly List<TileEntries> tiles = [];
    private int[] offsets = [0], features = [];
    private float[] pres = [], values = [];
    private int rowsToATile = 1;

    /// <summary>Number of entries in all tiles.</summary>
    internal long Count => tiles.Take(TileCount).Sum(tile => (long)tile.Count);

    /// <summary>Tiles of this batch.</summary>
    internal int TileCount { get; private set; }

    /// <summary>Begins a batch.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="rowsToTile">Rows of a tile; the last may have fewer.</param>
    internal void Begin(int rows, int rowsToTile)
    {
        rowsToATile = rowsToTile;
        TileCount = (rows + rowsToTile - 1) / rowsToTile;
        while (tiles.Count < TileCount) tiles.Add(new TileEntries());
        foreach (TileEntries tile in tiles) tile.Clear();
    }

    /// <summary>The tile that begins with a row.</summary>
    internal TileEntries TileAt(int row) => tiles[row / rowsToATile];

    /// <summary>First row of a tile.</summary>
    internal int FirstRow(int tile) => tile * rowsToATile;

    /// <summary>A tile by its number.</summary>
    internal TileEntries Tile(int index) => tiles[index];

    /// <summary>Joins the tiles. A code holds what the decoder sees; pre-activations of the same entries are in <see cref="Pres"/>.</summary>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="dSae">Number of features that could fire.</param>
    /// <param name="withPres">Whether pre-activations are joined as well.</param>
    internal unsafe SparseCode Join(int rows, int dSae, bool withPres = false)
    {
        int count = checked((int)Count);
        if (offsets.Length <= rows) offsets = new int[rows + 1];
        if (features.Length < count) (features, values) = (new int[count], new float[count]);
        if (withPres && pres.Length < count) pres = new float[count];
        int row = 0, at = 0;
        foreach (TileEntries tile in tiles.Take(TileCount))
        {
            new ReadOnlySpan<int>(tile.Features, tile.Count).CopyTo(features.AsSpan(at));
            if (withPres) new ReadOnlySpan<float>(tile.Pres, tile.Count).CopyTo(pres.AsSpan(at));
            new ReadOnlySpan<float>(tile.Values, tile.Count).CopyTo(values.AsSpan(at));
            foreach (int end in tile.RowEnds) offsets[++row] = at + end;
            at += tile.Count;
        }
        return new SparseCode { Rows = rows, DSae = dSae, RowOffsets = offsets, Features = features, Values = values };
    }

    /// <summary>Leaves the joined code to whoever has it; the tiles keep their memory.</summary>
    internal void GiveAway() => (offsets, features, pres, values) = ([0], [], [], []);

    /// <summary>Pre-activation of each entry of the joined code, if they were joined.</summary>
    internal float[] Pres => pres;
}
