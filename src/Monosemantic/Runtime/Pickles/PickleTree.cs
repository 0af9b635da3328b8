namespace Monosemantic.Runtime.Pickles;

/// <summary>Turns what a pickle built into a tree that nobody changes any more, and refuses what is no tree or too large a one.</summary>
/// <param name="where">What is being read, for errors.</param>
internal sealed class PickleTree(string where)
{
    private const int MaxDepth = 100;

    private readonly Dictionary<object, Branch?> made = new(ReferenceEqualityComparer.Instance);

    // A value with its height and the number of values in it, counting shared ones as often as they stand in the tree.
    private sealed record Branch(PickleValue Value, int Height, long Size);

    /// <summary>The tree below a value.</summary>
    /// <param name="root">The value.</param>
    internal PickleValue Freeze(object root)
    {
        Branch branch = Grow(root, 0);
        if (branch.Size > PickleMachine.MaxSteps) throw Bad($"it comes to {branch.Size:N0} values, the shared ones counted as often as they are used; at most {PickleMachine.MaxSteps:N0} are read");
        return branch.Value;
    }

    private Branch Grow(object node, int depth)
    {
        if (depth > MaxDepth) throw Bad($"it is nested more than {MaxDepth} levels deep");
        switch (node)
        {
            case PickleValue value: return new Branch(value, 0, 1);
            case PickleGlobal { IsStorage: false, Call: PickleCall.None } type: return new Branch(new PickleConstant(type.Name), 0, 1);
            case PickleGlobal function: throw Bad($"it holds {function.Name} itself, not what it makes");
            case PickleStorage storage: throw Bad($"it holds storage {Printable.Of(storage.Key)} itself, not a tensor over it");
        }
        if (!made.TryGetValue(node, out Branch? branch)) branch = made[node] = Container(node, depth);
        if (branch is null) throw Bad("it contains itself");
        if (depth + branch.Height > MaxDepth) throw Bad($"it is nested more than {MaxDepth} levels deep");
        return branch;
    }

    private Branch Container(object node, int depth)
    {
        // Whoever comes here again before it is done is inside it.
        made[node] = null;
        if (node is PickleDictionaryNode dictionary) return Dictionary(dictionary, depth);
        (PickleSequenceKind kind, IReadOnlyList<object> items) = node is PickleListNode list
            ? (list.Kind, (IReadOnlyList<object>)list.Items)
            : (PickleSequenceKind.Tuple, ((PickleTupleNode)node).Items);
        Branch[] branches = [.. items.Select(item => Grow(item, depth + 1))];
        return Above(new PickleSequence(kind, [.. branches.Select(branch => branch.Value)]), branches);
    }

    private Branch Dictionary(PickleDictionaryNode dictionary, int depth)
    {
        var keys = new HashSet<PickleValue>();
        foreach ((PickleValue key, _) in dictionary.Entries)
        {
            if (!keys.Add(key)) throw Bad($"a dictionary in it has the key {Printable.Of(key is PickleText text ? text.Value : ((PickleInteger)key).Value.ToString())} twice");
        }
        Branch[] branches = [.. dictionary.Entries.Select(entry => Grow(entry.Value, depth + 1))];
        return Above(new PickleDictionary([.. dictionary.Entries.Zip(branches, (entry, branch) => KeyValuePair.Create(entry.Key, branch.Value))]), branches);
    }

    private static Branch Above(PickleValue value, Branch[] branches)
    {
        long size = 1;
        int height = 0;
        foreach (Branch branch in branches)
        {
            // Sharing doubles sizes level by level; a hundred levels would overflow.
            size = Math.Min(size + branch.Size, long.MaxValue / 2);
            height = Math.Max(height, branch.Height + 1);
        }
        return new Branch(value, height, size);
    }

    private UserErrorException Bad(string what) => PickleMachine.Bad(where, what);
}
