using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>The maps from a block's normalised input to queries, keys and values, as the model's file lays them out.</summary>
public abstract record QueryKeyValue
{
    /// <summary>Queries, keys and values of an input.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="input">[b, t, d_model].</param>
    /// <returns>[b, t, heads, d_head], then twice [b, t, key_value_heads, d_head]; they may share memory with one another, but not with the input.</returns>
    public abstract (Tensor Query, Tensor Key, Tensor Value) Apply(TransformerConfig config, Tensor input);

    internal abstract IEnumerable<Linear> Maps { get; }

    /// <summary>The three maps by themselves, views of the weights; null where heads lie between them.</summary>
    internal virtual (Linear Query, Linear Key, Linear Value)? Apart(TransformerConfig config) => null;

    /// <summary>The keys and values of an input, without its queries where the maps lie apart.</summary>
    internal (Tensor Key, Tensor Value) KeysAndValues(TransformerConfig config, Tensor input)
    {
        if (Apart(config) is (_, { } toKey, { } toValue)) return (IntoHeads(toKey.Apply(input), config.DHead), IntoHeads(toValue.Apply(input), config.DHead));
        (_, Tensor key, Tensor value) = Apply(config, input);
        return (key, value);
    }

    /// <summary>Splits the last dimension into heads.</summary>
    /// <param name="x">[b, t, heads * d_head].</param>
    /// <param name="dHead">Width of a head.</param>
    /// <returns>[b, t, heads, d_head].</returns>
    protected static Tensor IntoHeads(Tensor x, int dHead)
    {
        ArgumentNullException.ThrowIfNull(x);
        return x.view(x.shape[0], x.shape[1], -1, dHead);
    }
}

/// <summary>Three maps.</summary>
/// <param name="Query">[d_model, heads * d_head].</param>
/// <param name="Key">[d_model, key_value_heads * d_head].</param>
/// <param name="Value">[d_model, key_value_heads * d_head].</param>
public sealed record SeparateMaps(Linear Query, Linear Key, Linear Value) : QueryKeyValue
{
    internal override IEnumerable<Linear> Maps => [Query, Key, Value];

    internal override (Linear Query, Linear Key, Linear Value)? Apart(TransformerConfig config) => (Query, Key, Value);

    /// <inheritdoc />
    public override (Tensor Query, Tensor Key, Tensor Value) Apply(TransformerConfig config, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(config);
        return (IntoHeads(Query.Apply(input), config.DHead), IntoHeads(Key.Apply(input), config.DHead), IntoHeads(Value.Apply(input), config.DHead));
    }
}

/// <summary>One map to all queries, then all keys, then all values, each head by head.</summary>
/// <param name="Map">[d_model, (heads + 2 * key_value_heads) * d_head].</param>
public sealed record JoinedMap(Linear Map) : QueryKeyValue
{
    internal override IEnumerable<Linear> Maps => [Map];

    internal override (Linear Query, Linear Key, Linear Value)? Apart(TransformerConfig config)
    {
        long query = (long)config.Heads * config.DHead, key = (long)config.KeyValueHeads * config.DHead;
        return (Columns(0, query), Columns(query, key), Columns(query + key, key));
    }

    /// <inheritdoc />
    public override (Tensor Query, Tensor Key, Tensor Value) Apply(TransformerConfig config, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(config);
        long query = (long)config.Heads * config.DHead, key = (long)config.KeyValueHeads * config.DHead;
        Tensor[] parts = Map.Apply(input).split([query, key, key], -1);
        return (IntoHeads(parts[0], config.DHead), IntoHeads(parts[1], config.DHead), IntoHeads(parts[2], config.DHead));
    }

    private Linear Columns(long first, long count) => new(Map.Weight.narrow(1, first, count), Map.Bias?.narrow(0, first, count));
}

/// <summary>One map to the query, key and value of the first head, then of the second, and so on.</summary>
/// <param name="Map">[d_model, heads * 3 * d_head].</param>
public sealed record InterleavedMap(Linear Map) : QueryKeyValue
{
    internal override IEnumerable<Linear> Maps => [Map];

    /// <inheritdoc />
    public override (Tensor Query, Tensor Key, Tensor Value) Apply(TransformerConfig config, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(config);
        Tensor[] parts = IntoHeads(Map.Apply(input), 3 * config.DHead).split(config.DHead, -1);
        return (parts[0], parts[1], parts[2]);
    }
}
