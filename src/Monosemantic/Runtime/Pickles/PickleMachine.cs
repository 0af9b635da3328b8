
namespace Monosemantic.Runtime.Pickles;

/// <summary>
/// Runs a pickle as what it is, a little program for a stack machine, with only the instructions that build data: whatever
/// names an object outside the list of <see cref="PickleGlobals"/> is refused, and nothing is ever called or made by name.
/// </summary>
/// <remarks>Instructions and their codes: Python's pickletools module. Bounded in steps, depth and copied bytes.</remarks>
internal ref struct PickleMachine
{
    /// <summary>Most bytes of a pickle that are read.</summary>
    internal const int MaxBytes = 64 << 20;

    /// <summary>Most steps of a program, and most values in the tree that it leaves.</summary>
    internal const int MaxSteps = 2_000_000;

    private readonly string where;
    private readonly Stack<object> stack = new();
    private readonly Stack<int> marks = new();
    private readonly Dictionary<long, object> memo = [];
    private readonly PickleCalls calls;
    private PickleCursor cursor;
    private long steps;

    private PickleMachine(ReadOnlySpan<byte> program, string where)
    {
        this.where = where;
        calls = new PickleCalls(where, Math.Min(program.Length, MaxBytes));
        cursor = new PickleCursor(program.Length > MaxBytes ? program[..MaxBytes] : program, where);
    }

    /// <summary>Runs the pickle at the start of the bytes.</summary>
    /// <param name="program">The bytes.</param>
    /// <param name="where">What is being read, for errors.</param>
    /// <param name="length">How many of the bytes it took.</param>
    /// <returns>What it built, as plain data.</returns>
    /// <exception cref="UserErrorException">It is damaged, too large, or would run code.</exception>
    internal static PickleValue Run(ReadOnlySpan<byte> program, string where, out int length)
    {
        var machine = new PickleMachine(program, where);
        object root = machine.Run();
        length = machine.cursor.At;
        return new PickleTree(where).Freeze(root);
    }

    /// <summary>The error for a pickle that is not sound.</summary>
    /// <param name="where">What was being read.</param>
    /// <param name="what">What is wrong.</param>
    internal static UserErrorException Bad(string where, string what) => new($"{where} is not a pickle that is read here: {what}", "copy or download the file again, or save it again");

    private object Run()
    {
        while (true)
        {
            if (++steps > MaxSteps) throw Bad(where, $"it has more than {MaxSteps:N0} steps");
            byte code = cursor.Byte();
            if (code == (byte)'.') break;
            if (!Constant(code) && !Data(code) && !Container(code) && !Memory(code) && !Named(code)) throw Unknown(code);
        }
        if (stack.Count != 1 || marks.Count != 0) throw Bad(where, $"it leaves {stack.Count} values in place of one");
        return stack.Pop();
    }

    private readonly bool Constant(byte code)
    {
        object? value = code switch
        {
            (byte)'N' => PickleNone.Instance,
            0x88 => new PickleBoolean(true),
            0x89 => new PickleBoolean(false),
            (byte)']' => new PickleListNode(PickleSequenceKind.List),
            (byte)'}' => new PickleDictionaryNode(ordered: false),
            (byte)')' => PickleTupleNode.Empty,
            0x8f => new PickleListNode(PickleSequenceKind.Set),
            _ => null,
        };
        if (value is not null) stack.Push(value);
        return value is not null;
    }

    private bool Data(byte code)
    {
        object? value = code switch
        {
            (byte)'K' => new PickleInteger(cursor.Byte()),
            (byte)'M' => new PickleInteger(cursor.UInt16()),
            (byte)'J' => new PickleInteger(cursor.Int32()),
            0x8a => new PickleInteger(cursor.Long(cursor.Byte())),
            0x8b => new PickleInteger(cursor.Long(cursor.Int32())),
            (byte)'G' => new PickleNumber(cursor.Double()),
            // Python 2's plain strings ('U', 'T') are read as UTF-8, as PyTorch reads them.
            (byte)'X' or (byte)'T' => new PickleText(cursor.Text(cursor.UInt32())),
            0x8c or (byte)'U' => new PickleText(cursor.Text(cursor.Byte())),
            0x8d => new PickleText(cursor.Text(cursor.Int64())),
            (byte)'C' => new PickleBytes([.. cursor.Take(cursor.Byte())]),
            (byte)'B' => new PickleBytes([.. cursor.Take(cursor.UInt32())]),
            0x8e or 0x96 => new PickleBytes([.. cursor.Take(cursor.Int64())]),
            _ => null,
        };
        if (value is not null) stack.Push(value);
        return value is not null;
    }

    private readonly bool Container(byte code)
    {
        switch (code)
        {
            case (byte)'(': marks.Push(stack.Count); break;
            case (byte)'t': stack.Push(new PickleTupleNode(PopToMark())); break;
            case 0x85: stack.Push(new PickleTupleNode(PopMany(1))); break;
            case 0x86: stack.Push(new PickleTupleNode(PopMany(2))); break;
            case 0x87: stack.Push(new PickleTupleNode(PopMany(3))); break;
            case (byte)'l': stack.Push(Filled(PickleSequenceKind.List)); break;
            case 0x91: stack.Push(Filled(PickleSequenceKind.Set)); break;
            case (byte)'d':
                {
                    object[] pairs = PopToMark();
                    var dictionary = new PickleDictionaryNode(ordered: false);
                    SetItems(dictionary, pairs);
                    stack.Push(dictionary);
                    break;
                }
            case (byte)'a': Append(PopMany(1), PickleSequenceKind.List); break;
            case (byte)'e': Append(PopToMark(), PickleSequenceKind.List); break;
            case 0x90: Append(PopToMark(), PickleSequenceKind.Set); break;
            case (byte)'s': SetItems(PopMany(2)); break;
            case (byte)'u': SetItems(PopToMark()); break;
            default: return false;
        }
        return true;
    }

    private bool Memory(byte code)
    {
        switch (code)
        {
            case (byte)'q': memo[cursor.Byte()] = Top(); break;
            case (byte)'r': memo[cursor.UInt32()] = Top(); break;
            case 0x94: memo[memo.Count] = Top(); break;
            case (byte)'h': stack.Push(Remembered(cursor.Byte())); break;
            case (byte)'j': stack.Push(Remembered(cursor.UInt32())); break;
            case 0x80:
                {
                    byte protocol = cursor.Byte();
                    if (protocol > 5) throw Bad(where, $"it is of protocol {protocol}; 2 to 5 are read");
                    break;
                }
            // A frame only announces how many bytes are worth reading at once.
            case 0x95: _ = cursor.Int64(); break;
            default: return false;
        }
        return true;
    }

    private bool Named(byte code)
    {
        switch (code)
        {
            case (byte)'c': stack.Push(PickleGlobals.Find(cursor.Line(), cursor.Line(), where)); break;
            case 0x93: stack.Push(StackGlobal(PopMany(2))); break;
            case (byte)'R': stack.Push(calls.Call(PopMany(2))); break;
            case (byte)'Q': stack.Push(calls.Storage(PopMany(1)[0])); break;
            case (byte)'b': calls.SetAttributes(PopMany(1)[0], Top()); break;
            default: return false;
        }
        return true;
    }

    private readonly PickleGlobal StackGlobal(object[] names) => names is [PickleText module, PickleText name]
        ? PickleGlobals.Find(module.Value, name.Value, where)
        : throw Bad(where, "it asks for something by a name that is no text");

    private readonly PickleListNode Filled(PickleSequenceKind kind)
    {
        var list = new PickleListNode(kind);
        list.Items.AddRange(PopToMark());
        return list;
    }

    private readonly void Append(object[] items, PickleSequenceKind kind)
    {
        if (Top() is not PickleListNode list || list.Kind != kind) throw Bad(where, "it appends to something that is no list or set");
        list.Items.AddRange(items);
    }

    private readonly void SetItems(object[] pairs)
    {
        if (Top() is not PickleDictionaryNode dictionary) throw Bad(where, "it sets the items of something that is no dictionary");
        SetItems(dictionary, pairs);
    }

    private readonly void SetItems(PickleDictionaryNode dictionary, object[] pairs)
    {
        if (pairs.Length % 2 != 0) throw Bad(where, "it has a dictionary key without a value");
        for (int i = 0; i < pairs.Length; i += 2) dictionary.Entries.Add(new(calls.Key(pairs[i]), pairs[i + 1]));
    }

    private readonly object Remembered(long index) => memo.TryGetValue(index, out object? value) ? value : throw Bad(where, $"it recalls value {index}, which it never kept");

    private readonly object Top() => stack.Count > Floor ? stack.Peek() : throw Bad(where, "it takes a value where there is none");

    private readonly object[] PopToMark()
    {
        if (marks.Count == 0) throw Bad(where, "it closes a sequence that it never opened");
        int count = stack.Count - marks.Peek();
        object[] items = PopMany(count);
        marks.Pop();
        return items;
    }

    // Values below the last mark belong to a sequence that is still open.
    private readonly object[] PopMany(int count)
    {
        if (stack.Count - Floor < count) throw Bad(where, "it takes a value where there is none");
        object[] items = new object[count];
        for (int i = count - 1; i >= 0; i--) items[i] = stack.Pop();
        return items;
    }

    private readonly int Floor => marks.Count == 0 ? 0 : marks.Peek();

    private readonly UserErrorException Unknown(byte code)
    {
        string name = code is > 0x20 and < 0x7f ? $"'{(char)code}' (0x{code:x2})" : $"0x{code:x2}";
        return code is (byte)'i' or (byte)'o' or 0x81 or 0x92 or 0x82 or 0x83 or 0x84
            ? new UserErrorException($"{where} makes an object of a class (instruction {name}): loading it would run code, so it is refused", "ask for a safetensors file, or save only the state dict")
            : Bad(where, $"it has the instruction {name}, which PyTorch does not write");
    }
}
