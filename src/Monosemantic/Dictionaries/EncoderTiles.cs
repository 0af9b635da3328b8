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
/// The dense product of inputs and encoder, a tile of rows at a time and a tile per worker, so that the whole
/// [batch, d_sae] matrix never exists and each tile is used before it leaves the cache. Tiles have a fixed size: the
/// product's bits do not depend on the number of workers.
/// </summary>
internal sealed unsafe class EncoderTiles : IDisposable
{
    // The product packs the whole encoder once a tile: with 512 rows that costs 4 % of it, with 128 rows 25 %.
    private const int TileBytes = 16 << 20;
    private const int MaxRows = 512;
    private readonly ConcurrentBag<Tensor> idle = [];

    /// <summary>Rows of a tile for a product of that width.</summary>
    internal static int RowsOf(int width) => Math.Clamp(TileBytes / (sizeof(float) * Math.Max(width, 1)) / 16 * 16, 16, MaxRows);

    /// <summary>Multiplies and hands on every tile; the body is called by several threads at once, each tile once.</summary>
    /// <param name="inputs">Inputs [n, d_model].</param>
    /// <param name="encoder">Encoder rows [width, d_model].</param>
    /// <param name="threads">Most workers at a time.</param>
    /// <param name="body">What to do with a tile.</param>
    internal void For(Tensor inputs, Tensor encoder, int threads, TileBody body)
    {
        int width = checked((int)encoder.shape[0]);
        ParallelRanges.For(checked((int)inputs.shape[0]), RowsOf(width), threads, (start, end) => OneTile(inputs, encoder, width, start, end - start, body));
    }

    private void OneTile(Tensor inputs, Tensor encoder, int width, int start, int rows, TileBody body)
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        Tensor buffer = Take((long)RowsOf(width) * width);
        Tensor tile = buffer.narrow(0, 0, (long)rows * width).view(rows, width);
        tile.addmm_(inputs.narrow(0, start, rows), encoder.t(), beta: 0f, alpha: 1f);
        body((float*)TensorMemory.Address(tile), start, rows);
        idle.Add(buffer);
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
