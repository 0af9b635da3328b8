using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// The keys and values of the tokens that a model has seen, so that the next ones cost a pass over themselves alone:
/// <see cref="Transformer.Continue"/> reads and extends it. Room grows by doubling, up to the model's positions.
/// </summary>
/// <remarks>Belongs to one model and one batch of sequences; not thread-safe.</remarks>
public sealed class KeyValueCache : IDisposable
{
    private const long FirstRoom = 64;
    private readonly TransformerConfig config;
    private readonly Tensor?[] keys;
    private readonly Tensor?[] values;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="config">The shape of the model it is for.</param>
    public KeyValueCache(TransformerConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        this.config = config;
        (keys, values) = (new Tensor?[config.Layers], new Tensor?[config.Layers]);
    }

    /// <summary>Tokens seen so far.</summary>
    public long Length { get; private set; }

    /// <summary>Tokens that still fit into the model's positions.</summary>
    public long Free => config.MaxPositions - Length;

    /// <summary>Bytes of the keys and values held, room to grow included.</summary>
    public long Bytes => keys.Concat(values).OfType<Tensor>().Sum(tensor => tensor.numel() * sizeof(float));

    /// <summary>Forgets every token; the room stays.</summary>
    public void Clear() => Length = 0;

    /// <summary>Forgets the newest tokens.</summary>
    /// <param name="length">How many are left; no more than there are.</param>
    internal void Rewind(long length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Adds a block's keys and values, and gives those of all tokens seen.</summary>
    /// <param name="layer">The block.</param>
    /// <param name="k">Keys of the new tokens [b, key_value_heads, t, d_head].</param>
    /// <param name="v">Their values, of the same shape.</param>
    /// <returns>[b, key_value_heads, length + t, d_head] each, valid until the next call.</returns>
    internal (Tensor Keys, Tensor Values) Extend(int layer, Tensor k, Tensor v) => (Extend(ref keys[layer], k), Extend(ref values[layer], v));

    /// <summary>Counts tokens whose keys and values every block has added.</summary>
    internal void Advance(long tokens) => Length += tokens;

    private Tensor Extend(ref Tensor? buffer, Tensor added)
    {
        long[] shape = added.shape;
        long needed = Length + shape[2];
        if (buffer is not null && buffer.shape[0] != shape[0]) throw new ArgumentException($"the cache holds {buffer.shape[0]} sequences, the tokens are of {shape[0]}", nameof(added));
        if (buffer is null || buffer.shape[2] < needed) Grow(ref buffer, shape, needed);
        buffer!.narrow(2, Length, shape[2]).copy_(added);
        return buffer.narrow(2, 0, needed);
    }

    private void Grow(ref Tensor? buffer, long[] shape, long needed)
    {
        long room = Math.Max(Math.Min(config.MaxPositions, Math.Max(FirstRoom, 2 * needed)), needed);
        Tensor grown = empty(shape[0], shape[1], room, shape[3], dtype: ScalarType.Float32).DetachFromDisposeScope();
        if (buffer is not null)
        {
            grown.narrow(2, 0, Length).copy_(buffer.narrow(2, 0, Length));
            buffer.Dispose();
        }
        buffer = grown;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (Tensor? tensor in keys.Concat(values)) tensor?.Dispose();
        Array.Clear(keys);
        Array.Clear(values);
    }
}
