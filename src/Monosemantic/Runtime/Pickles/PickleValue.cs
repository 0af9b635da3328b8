using System.Collections.Immutable;
using System.Numerics;

namespace Monosemantic.Runtime.Pickles;

/// <summary>
/// What a pickle holds, as plain data: a tree of dictionaries, sequences, numbers, texts and descriptions of tensors. It is
/// at most 100 levels deep and never contains itself.
/// </summary>
public abstract record PickleValue;

/// <summary>Python's <c>None</c>.</summary>
public sealed record PickleNone : PickleValue
{
    /// <summary>The one there is.</summary>
    public static PickleNone Instance { get; } = new();
}

/// <summary>A truth value.</summary>
/// <param name="Value">Which.</param>
public sealed record PickleBoolean(bool Value) : PickleValue;

/// <summary>A whole number.</summary>
/// <param name="Value">The number, at most 255 bytes long.</param>
public sealed record PickleInteger(BigInteger Value) : PickleValue;

/// <summary>A 64-bit floating point number.</summary>
/// <param name="Value">The number.</param>
public sealed record PickleNumber(double Value) : PickleValue;

/// <summary>A text.</summary>
/// <param name="Value">The text.</param>
public sealed record PickleText(string Value) : PickleValue;

/// <summary>Bytes.</summary>
/// <param name="Value">The bytes.</param>
public sealed record PickleBytes(ImmutableArray<byte> Value) : PickleValue;

/// <summary>A name that stands for itself: an element type such as <c>torch.float32</c>, or a device such as <c>cuda:0</c>.</summary>
/// <param name="Name">The name.</param>
public sealed record PickleConstant(string Name) : PickleValue;

/// <summary>What kind of sequence a <see cref="PickleSequence"/> was.</summary>
public enum PickleSequenceKind
{
    /// <summary>A list.</summary>
    List,

    /// <summary>A tuple, or a tensor's size.</summary>
    Tuple,

    /// <summary>A set, in the order in which it was stored.</summary>
    Set,
}

/// <summary>A list, tuple or set.</summary>
/// <param name="Kind">Which of them.</param>
/// <param name="Items">What it holds, in order.</param>
public sealed record PickleSequence(PickleSequenceKind Kind, ImmutableArray<PickleValue> Items) : PickleValue;

/// <summary>A dictionary with keys that are texts or whole numbers, each once, in the order in which they were stored.</summary>
/// <param name="Entries">Its keys and values.</param>
public sealed record PickleDictionary(ImmutableArray<KeyValuePair<PickleValue, PickleValue>> Entries) : PickleValue
{
    /// <summary>The value of a text key, or null where there is none.</summary>
    /// <param name="key">The key.</param>
    public PickleValue? Find(string key) => Entries.FirstOrDefault(entry => entry.Key is PickleText text && text.Value == key).Value;
}

/// <summary>A tensor that was described in a pickle; its numbers lie elsewhere in the file.</summary>
public sealed record PickleTensor : PickleValue
{
    internal PickleTensor(PickleStorage storage, TensorElement element, ImmutableArray<long> shape, ImmutableArray<long> strides, long offset) =>
        (Storage, Element, Shape, Strides, Offset) = (storage, element, shape, strides, offset);

    /// <summary>The element type.</summary>
    public TensorElement Element { get; }

    /// <summary>The dimensions; none for a single number.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Steps in the storage, in elements, from one index to the next, per dimension.</summary>
    public ImmutableArray<long> Strides { get; }

    /// <summary>First element in the storage.</summary>
    public long Offset { get; }

    /// <summary>Name of the storage in the file; tensors that were views of one storage name the same.</summary>
    public string StorageKey => Storage.Key;

    internal PickleStorage Storage { get; }

    /// <summary>Number of elements.</summary>
    internal long Count => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    /// <summary>Whether the elements follow one another in the storage, last index fastest.</summary>
    internal bool IsContiguous
    {
        get
        {
            long step = 1;
            for (int i = Shape.Length - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != step) return false;
                step *= Math.Max(1, Shape[i]);
            }
            return true;
        }
    }
}

/// <summary>Numbers that tensors are views of.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Element">The type of its elements; bytes where the storage itself has none.</param>
/// <param name="Count">How many elements the stored whole has.</param>
/// <param name="Start">First element of the part that is meant; 0 in all but the oldest files.</param>
/// <param name="Length">Elements of the part that is meant.</param>
internal sealed record PickleStorage(string Key, TensorElement Element, long Count, long Start, long Length);
