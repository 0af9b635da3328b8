using System.Collections.Concurrent;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>What is done with a tile of the encoder product while it is still in the cache.</summary>
/// <param name="product">Inputs times encoder [rows, width], without bias.</param>
/// <param name="start">The tile's first row in the batch.</param>
/// <param name="rows">Rows in the tile.</param>
internal unsafe delegate void TileBody(float* product, int start, int rows);

/// <summary>
/// The dense product of inputs and encoder, a tile of rows at a time, so that the whole [batch, d_sae] matrix never exists.
/// Workers share a tile: first each multiplies blocks of columns, then each takes ranges of rows. Blocks have a fixed size,
/// each is one product by one thread, so that no bit depends on the number of workers.
/// </summary>
internal sealed unsafe class EncoderTiles : IDisposable
{
    // A product packs its block of the encoder once a tile: with 512 rows that costs 4 % of it, with 128 rows 25 %.
    private const int TileBytes = 48 << 20;
    private const int MaxRows = 512;
    private const int RowsToARange = 128;
    private readonly ConcurrentBag<Tensor> idle = [];

    /// <summary>Rows that the body is given at a time, all but the last time.</summary>
    internal static int RowsOf(int width) => Math.Min(RowsToARange, TileRows(width));

    /// <summary>Multiplies and hands on ranges of rows; the body is called by several threads at once, each range once.</summary>
    /// <param name="inputs">Inputs [n, d_in].</param>
    /// <param name="encoder">Encoder rows [width, d_in].</param>
    /// <param name="threads">Most workers at a time.</param>
    /// <param name="body">What to do with a range.</param>
    internal void For(Tensor inputs, Tensor encoder, int threads, TileBody body)
    {
        int width = checked((int)encoder.shape[0]), n = checked((int)inputs.shape[0]), tileRows = TileRows(width);
        Tensor buffer = Take((long)Math.Min(tileRows, n) * width);
        nint at = (nint)TensorMemory.Address(buffer);
        for (int start = 0; start < n; start += tileRows)
        {
            int rows = Math.Min(tileRows, n - start), first = start;
            ParallelRanges.For(width, BlockOf(width), threads, (from, to) => Multiply(buffer, inputs, encoder, first, rows, from, to));
            ParallelRanges.For(rows, RowsOf(width), threads, (from, to) => body((float*)at + ((long)from * width), first + from, to - from));
        }
        idle.Add(buffer);
    }

    private static int TileRows(int width) => Math.Clamp(TileBytes / sizeof(float) / Math.Max(width, 1) / RowsToARange * RowsToARange, 16, MaxRows);

    private static int BlockOf(int width) => Math.Clamp((width / 8 + 63) / 64 * 64, 256, 4096);

    private static void Multiply(Tensor buffer, Tensor inputs, Tensor encoder, int start, int rows, int from, int to)
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        int width = (int)encoder.shape[0];
        Tensor block = buffer.narrow(0, 0, (long)rows * width).view(rows, width).narrow(1, from, to - from);
        block.addmm_(inputs.narrow(0, start, rows), encoder.narrow(0, from, to - from).t(), beta: 0f, alpha: 1f);
    }

    private Tensor Take(long elements)
    {
        if (idle.TryTake(out Tensor? buffer))
        {
            if (buffer.numel() >= elements) return buffer;
            buffer.Dispose();
        }
        return empty(elements, ScalarType.Float32).DetachFromDisposeScope();
    }

    /// <summary>Frees the tiles' memory.</summary>
    public void Dispose()
    {
        while (idle.TryTake(out Tensor? buffer)) buffer.Dispose();
    }
}
