using System.Collections.Concurrent;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Encoder product, bias and selection in one sweep over tiles of rows: f = ReLU(topk_k(x W_enc + b_enc)), or without the
/// ReLU. The same sweep serves inference, the training forward and the auxiliary loss.
/// </summary>
/// <param name="threads">Most workers at a time.</param>
internal sealed unsafe class TopKEncoder(int threads) : IDisposable
{
    private readonly EncoderTiles tiles = new();

    /// <summary>Fills the builder with the codes of all rows.</summary>
    /// <param name="inputs">Centred inputs [n, d_model].</param>
    /// <param name="encoder">Encoder rows [width, d_model].</param>
    /// <param name="bias">Encoder bias [width].</param>
    /// <param name="rectify">Whether only positive pre-activations are kept.</param>
    /// <param name="into">Receives the code; its places to a row are k.</param>
    /// <param name="afterTile">Called with a tile's first row and row count once its codes are there; null for nothing.</param>
    internal void Encode(Tensor inputs, Tensor encoder, Tensor bias, bool rectify, CodeBuilder into, Action<int, int>? afterTile = null)
    {
        int width = checked((int)encoder.shape[0]);
        float* biases = (float*)TensorMemory.Address(bias);
        var selections = new ConcurrentBag<TopKSelection>();
        tiles.For(inputs, encoder, threads, (product, start, rows) =>
        {
            if (!selections.TryTake(out TopKSelection? selection)) selection = new(into.PerRow, width, rectify);
            SelectRows(selection, product, biases, width, start, rows, into);
            selections.Add(selection);
            afterTile?.Invoke(start, rows);
        });
    }

    private static void SelectRows(TopKSelection selection, float* product, float* bias, int width, int start, int rows, CodeBuilder into)
    {
        fixed (int* features = into.Features)
        fixed (float* values = into.Values)
        {
            for (int row = 0; row < rows; row++)
            {
                long at = (long)(start + row) * into.PerRow;
                into.Counts[start + row] = selection.Select(product + ((long)row * width), bias, width, features + at, values + at);
            }
        }
    }

    /// <summary>Frees the tiles' memory.</summary>
    public void Dispose() => tiles.Dispose();
}
