namespace Monosemantic.Runtime.Pickles;

/// <summary>A list or set that a pickle is still filling.</summary>
/// <param name="kind">Which of them.</param>
internal sealed class PickleListNode(PickleSequenceKind kind)
{
    internal PickleSequenceKind Kind { get; } = kind;

    internal List<object> Items { get; } = [];
}

/// <summary>A tuple: complete when it is made, but what it holds may still be filled.</summary>
/// <param name="items">What it holds.</param>
internal sealed class PickleTupleNode(object[] items)
{
    internal static PickleTupleNode Empty { get; } = new([]);

    internal object[] Items { get; } = items;
}

/// <summary>A dictionary that a pickle is still filling.</summary>
/// <param name="ordered">Whether it is an OrderedDict, the one object that carries attributes.</param>
internal sealed class PickleDictionaryNode(bool ordered)
{
    internal bool Ordered { get; } = ordered;

    internal List<KeyValuePair<PickleValue, object>> Entries { get; } = [];
}
