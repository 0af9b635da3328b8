using System.Collections.Concurrent;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>Part of the encoder product: some rows, and a stretch of the columns.</summary>
/// <param name="Product">Inputs times encoder, without bias: the first row, placed so that the index is the feature's.</param>
/// <param name="Stride">From one row to the next.</param>
/// <param name="Start">The first row's place in the batch.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Stretch">Which stretch of the columns.</param>
/// <param name="First">The first feature.</param>
/// <param name="End">The feature after the last.</param>
internal readonly unsafe record struct ProductPart(nint Product, int Stride, int Start, int Rows, int Stretch, int First, int End)
{
    /// <summary>One of the rows, counted from the first.</summary>
    internal float* Row(int row) => (float*)Product + ((long)row * Stride);
}

/// <summary>
/// The dense product of inputs and encoder, a tile at a time, so that the whole [batch, d_sae] matrix never exists. Workers
/// share a tile: first each multiplies blocks, then each takes ranges of rows. Blocks have a fixed size, each is one product by
/// one thread, so that no bit depends on the number of workers.
/// </summary>
internal sealed unsafe class EncoderTiles : IDisposable
{
    // A product packs its block of the encoder anew for each tile of rows: of 512 rows that costs 4 % to 8 % of it, of 2,048 a
    // quarter of that. So wide dictionaries come in stretches of columns, over more rows: 32 MB a tile.
    private const int WholeTileBytes = 48 << 20, WholeRows = 512;
    private const int StretchColumns = 4096, StretchRows = 2048, BlocksOfStretch = 2;
    private const int RowsToARange = 128;
    private readonly ConcurrentBag<Tensor> idle = [];

    /// <summary>Rows that the body is given at a time, all but the last time.</summary>
    internal static int RangeOf(int width, bool whole) => Math.Min(RowsToARange, TileRows(width, whole));

    /// <summary>How many stretches the columns come in, one after the other.</summary>
    /// <param name="width">Number of columns.</param>
    /// <param name="whole">Whether rows have to come whole.</param>
    internal static int Stretches(int width, bool whole) => whole ? 1 : Math.Max(1, (width + StretchOf(width) - 1) / StretchOf(width));

    /// <summary>Multiplies and hands on parts; the body is called by several threads at once, each part once, and a row's stretches in order.</summary>
    /// <param name="inputs">Inputs [n, d_in].</param>
    /// <param name="encoder">Encoder rows [width, d_in].</param>
    /// <param name="whole">Whether rows have to come whole.</param>
    /// <param name="threads">Most workers at a time.</param>
    /// <param name="body">What to do with a part.</param>
    internal void For(Tensor inputs, Tensor encoder, bool whole, int threads, Action<ProductPart> body)
    {
        int width = checked((int)encoder.shape[0]), n = checked((int)inputs.shape[0]), tileRows = TileRows(width, whole);
        int stretches = Stretches(width, whole), stretch = whole ? width : StretchOf(width);
        Tensor buffer = Take((long)Math.Min(tileRows, n) * Math.Min(stretch, width));
        nint at = (nint)TensorMemory.Address(buffer);
        for (int start = 0; start < n; start += tileRows)
        {
            int rows = Math.Min(tileRows, n - start), firstRow = start;
            for (int first = 0; first < width; first += stretch)
            {
                int columns = Math.Min(stretch, width - first), from = first, number = first / stretch;
                Tensor block = buffer.narrow(0, 0, (long)rows * columns).view(rows, columns);
                ParallelRanges.For(columns, BlockOf(columns, stretches), threads, (begin, end) => Multiply(block, inputs.narrow(0, firstRow, rows), encoder.narrow(0, from + begin, end - begin), begin));
                ParallelRanges.For(rows, RangeOf(width, whole), threads, (begin, end) => body(new(at + ((((nint)begin * columns) - from) * sizeof(float)), columns, firstRow + begin, end - begin, number, from, from + columns)));
            }
        }
        idle.Add(buffer);
    }

    private static int TileRows(int width, bool whole) => Stretches(width, whole) > 1
        ? StretchRows
        : Math.Clamp(WholeTileBytes / sizeof(float) / Math.Max(width, 1) / RowsToARange * RowsToARange, 16, WholeRows);

    // As even as they can be.
    private static int StretchOf(int width) => Math.Max(64, Rounded(width / ((width + StretchColumns - 1) / StretchColumns)));

    private static int BlockOf(int columns, int stretches) => stretches > 1 ? Rounded((columns + BlocksOfStretch - 1) / BlocksOfStretch) : Math.Clamp(Rounded(columns / 8), 256, 4096);

    private static int Rounded(int columns) => (columns + 63) / 64 * 64;

    private static void Multiply(Tensor tile, Tensor inputs, Tensor encoder, int first)
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        tile.narrow(1, first, encoder.shape[0]).addmm_(inputs, encoder.t(), beta: 0f, alpha: 1f);
    }

    private Tensor Take(long elements)
    {
        if (idle.TryTake(out Tensor? buffer))
        {
            if (buffer.numel() >= elements) return buffer;
            buffer.Dispose();
        }
        return TensorMemory.NewFloats(elements).DetachFromDisposeScope();
    }

    /// <summary>Frees the tiles' memory.</summary>
    public void Dispose()
    {
        while (idle.TryTake(out Tensor? buffer)) buffer.Dispose();
    }
}
