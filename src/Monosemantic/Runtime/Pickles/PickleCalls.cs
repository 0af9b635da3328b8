using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Runtime.Pickles;

/// <summary>What the allowed names of a pickle do: each is a few lines here, and makes data and nothing else.</summary>
/// <param name="where">What is being read, for errors.</param>
/// <param name="budget">How many bytes or values may be copied in all, so that a short pickle cannot ask for much.</param>
internal sealed class PickleCalls(string where, long budget)
{
    private static readonly TensorElement Bytes = TensorElement.Find("U8")!;

    private long left = budget;

    /// <summary>Calls an allowed name.</summary>
    /// <param name="call">The name and the tuple of its arguments.</param>
    internal object Call(object[] call)
    {
        if (call is not [PickleGlobal named, PickleTupleNode tuple]) throw Bad("it calls something that is no name");
        object[] arguments = tuple.Items;
        return named.Call switch
        {
            PickleCall.OrderedDictionary => OrderedDictionary(arguments),
            PickleCall.Set when arguments is [PickleListNode items] => Copy(items, PickleSequenceKind.Set),
            PickleCall.Set when arguments.Length == 0 => new PickleListNode(PickleSequenceKind.Set),
            PickleCall.ByteArray when arguments.Length == 0 => new PickleBytes([]),
            PickleCall.ByteArray when arguments is [PickleBytes bytes] => bytes,
            PickleCall.ByteArray or PickleCall.Encode when arguments is [PickleText text, PickleText encoding] => Encoded(text.Value, encoding.Value),
            PickleCall.Size when arguments is [PickleTupleNode size] => size,
            PickleCall.Device => Device(arguments),
            PickleCall.TensorVersion1 when arguments.Length == 4 => Tensor(arguments, null),
            PickleCall.TensorVersion2 when arguments.Length is 6 or 7 => Tensor(arguments[..4], null, arguments.ElementAtOrDefault(6)),
            PickleCall.TensorVersion3 when arguments.Length is 7 or 8 => Tensor(arguments[..4], TypeOf(arguments[6]), arguments.ElementAtOrDefault(7)),
            PickleCall.Parameter when arguments is [PickleTensor tensor, _, _] => tensor,
            PickleCall.ParameterWithState when arguments is [PickleTensor tensor, _, _, _] => tensor,
            _ => throw Bad($"it calls {named.Name} with other arguments than PyTorch does"),
        };
    }

    /// <summary>A storage, from the id that stands for it in the pickle.</summary>
    /// <param name="id">The tuple ('storage', kind, key, location, count), with a part of it in the oldest files.</param>
    internal PickleStorage Storage(object id)
    {
        if (id is not PickleTupleNode { Items: [PickleText { Value: "storage" }, PickleGlobal { IsStorage: true } kind, PickleText key, PickleText or PickleNone, PickleInteger count, ..] items })
        {
            if (id is PickleTupleNode { Items: [PickleText { Value: "module" }, ..] }) throw new UserErrorException($"{where} holds the source code of a model: loading it would run code, so it is refused", "ask for the state dict, or a safetensors file");
            throw Bad("it refers to something that is no storage");
        }
        TensorElement element = kind.Element ?? Bytes;
        long whole = Count(count, "a storage's length");
        if (whole > long.MaxValue / element.Size) throw Bad($"storage {Printable.Of(key.Value)} has {whole:N0} elements");
        if (items.Length == 5 || items is [.., PickleNone]) return new PickleStorage(key.Value, element, whole, 0, whole);
        if (items is not [_, _, _, _, _, PickleTupleNode { Items: [_, PickleInteger first, PickleInteger part] }]) throw Bad("it refers to a part of a storage in an unknown way");
        long start = Count(first, "a part's start"), length = Count(part, "a part's length");
        if (start > whole || length > whole - start) throw Bad($"storage {Printable.Of(key.Value)} of {whole:N0} elements has no part of {length:N0} from {start:N0} on");
        return new PickleStorage(key.Value, element, whole, start, length);
    }

    /// <summary>Attributes of an OrderedDict are passed over (PyTorch keeps module versions there); other objects have none.</summary>
    /// <param name="state">The attributes.</param>
    /// <param name="target">The object.</param>
    internal void SetAttributes(object state, object target)
    {
        if (target is not PickleDictionaryNode { Ordered: true } || state is not PickleDictionaryNode) throw Bad("it sets attributes of something that is no OrderedDict");
    }

    /// <summary>A dictionary's key.</summary>
    /// <param name="key">What the pickle uses as one.</param>
    internal PickleValue Key(object key) => key as PickleValue is { } value and (PickleText or PickleInteger) ? value : throw Bad("it has a dictionary key that is neither a text nor a whole number");

    private PickleDictionaryNode OrderedDictionary(object[] arguments)
    {
        var dictionary = new PickleDictionaryNode(ordered: true);
        if (arguments.Length == 0) return dictionary;
        if (arguments is not [PickleListNode { Kind: PickleSequenceKind.List } pairs]) throw Bad("it makes an OrderedDict of something that is no list of pairs");
        Charge(pairs.Items.Count);
        foreach (object pair in pairs.Items)
        {
            (object key, object value) = pair switch
            {
                PickleTupleNode { Items: [var first, var second] } => (first, second),
                PickleListNode { Items: [var first, var second] } => (first, second),
                _ => throw Bad("it makes an OrderedDict of something that is no list of pairs"),
            };
            dictionary.Entries.Add(new(Key(key), value));
        }
        return dictionary;
    }

    private PickleListNode Copy(PickleListNode items, PickleSequenceKind kind)
    {
        Charge(items.Items.Count);
        var copy = new PickleListNode(kind);
        copy.Items.AddRange(items.Items);
        return copy;
    }

    // How Python 3 writes bytes in protocol 2: as a text whose letters are the bytes.
    private PickleBytes Encoded(string text, string encoding)
    {
        if (encoding is not ("latin1" or "latin-1")) throw Bad($"it encodes a text as {Printable.Of(encoding)}; only latin1 is used for bytes");
        if (text.AsSpan().ContainsAnyExceptInRange('\0', '\u00ff')) throw Bad("it encodes letters as bytes that are none");
        Charge(text.Length);
        return new PickleBytes([.. Encoding.Latin1.GetBytes(text)]);
    }

    private PickleConstant Device(object[] arguments) => arguments switch
    {
        [PickleText kind] => new PickleConstant(kind.Value),
        [PickleText kind, PickleInteger index] when index.Value >= 0 && index.Value < 65_536 => new PickleConstant($"{kind.Value}:{index.Value}"),
        _ => throw Bad("it names a device in an unknown way"),
    };

    private TensorElement TypeOf(object type) => type is PickleGlobal { IsStorage: false, Element: { } element } ? element : throw Bad("it gives a tensor an element type that is not known");

    private PickleTensor Tensor(object[] arguments, TensorElement? type, object? metadata = null)
    {
        if (arguments is not [PickleStorage storage, PickleInteger first, PickleTupleNode size, PickleTupleNode steps]) throw Bad("it rebuilds a tensor from something that is no storage, offset, size and strides");
        // Bits such as "to be negated" would change the numbers.
        if (metadata is not (null or PickleNone or PickleDictionaryNode { Entries.Count: 0 })) throw Bad("it marks a tensor as negated or conjugated");
        TensorElement element = type ?? storage.Element;
        ImmutableArray<long> shape = Counts(size, "a tensor's size"), strides = Counts(steps, "a tensor's strides");
        if (shape.Length != strides.Length) throw Bad($"it has a tensor of {shape.Length} dimensions with {strides.Length} strides");
        var tensor = new PickleTensor(storage, element, shape, strides, Count(first, "a tensor's offset"));
        CheckBounds(tensor);
        return tensor;
    }

    private void CheckBounds(PickleTensor tensor)
    {
        PickleStorage storage = tensor.Storage;
        if (tensor.Element.ByteCount(tensor.Shape) is null) throw Bad($"it has a tensor of shape {Printable.Of(tensor.Shape)}");
        UInt128 length = (UInt128)storage.Length * (UInt128)storage.Element.Size / (UInt128)tensor.Element.Size;
        // The last element of a tensor that is not empty.
        UInt128 last = (UInt128)tensor.Offset;
        for (int i = 0; i < tensor.Shape.Length; i++) last += (UInt128)Math.Max(0, tensor.Shape[i] - 1) * (UInt128)tensor.Strides[i];
        bool inside = tensor.Shape.Contains(0) ? (UInt128)tensor.Offset <= length : last < length;
        if (!inside) throw Bad($"a tensor of shape {Printable.Of(tensor.Shape)}, strides {Printable.Of(tensor.Strides)} and offset {tensor.Offset:N0} reaches beyond its storage {Printable.Of(storage.Key)} of {length:N0} elements");
    }

    private ImmutableArray<long> Counts(PickleTupleNode tuple, string what)
    {
        if (tuple.Items.Length > TensorElement.MaxDimensions) throw Bad($"{what} has more than {TensorElement.MaxDimensions} dimensions");
        Charge(tuple.Items.Length);
        return [.. tuple.Items.Select(item => Count(item, what))];
    }

    private long Count(object item, string what) => item is PickleInteger { Value: var value } && value >= 0 && value <= long.MaxValue
        ? (long)value
        : throw Bad($"{what} is not a whole number from 0 to 2^63 - 1");

    private void Charge(long amount)
    {
        left -= amount;
        if (left < 0) throw Bad("it asks for far more data than it is long itself");
    }

    private UserErrorException Bad(string what) => PickleMachine.Bad(where, what);
}
