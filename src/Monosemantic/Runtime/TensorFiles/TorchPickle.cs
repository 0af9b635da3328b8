using System.Buffers.Binary;
using System.Text;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// The pickle of a state dict, in protocol 2 and with the opcodes, the order and the memo of Python's own pickler, so that the
/// bytes are those of <c>torch.save(module.state_dict(), path)</c>: an OrderedDict, each tensor as a call of
/// <c>torch._utils._rebuild_tensor_v2</c> on a storage of its own, and the version of each module as <c>_metadata</c>.
/// </summary>
internal sealed class TorchPickle : IDisposable
{
    // Python's pickler fills dictionaries in steps of so many items.
    private const int ItemsAtOnce = 1000;

    private static readonly (torch.ScalarType Type, string Storage)[] Storages =
    [
        (torch.ScalarType.Float32, "FloatStorage"), (torch.ScalarType.Float64, "DoubleStorage"), (torch.ScalarType.Float16, "HalfStorage"), (torch.ScalarType.BFloat16, "BFloat16Storage"),
        (torch.ScalarType.Int64, "LongStorage"), (torch.ScalarType.Int32, "IntStorage"), (torch.ScalarType.Int16, "ShortStorage"), (torch.ScalarType.Int8, "CharStorage"),
        (torch.ScalarType.Byte, "ByteStorage"), (torch.ScalarType.Bool, "BoolStorage"),
    ];

    private readonly MemoryStream code = new();
    private readonly Dictionary<string, int> memo = new(StringComparer.Ordinal);
    private int remembered;

    private TorchPickle() { }

    /// <summary>The pickle of named tensors; storage i is that of tensor i.</summary>
    /// <param name="tensors">Names and tensors, with the strides that are to be written.</param>
    internal static byte[] Of(KeyValuePair<string, torch.Tensor>[] tensors)
    {
        using var pickle = new TorchPickle();
        pickle.code.Write([0x80, 2]);
        pickle.EmptyOrdered();
        pickle.Items([.. tensors.Select((tensor, i) => (Action)(() => pickle.Entry(tensor.Key, tensor.Value, i)))]);
        pickle.Modules(tensors.Select(tensor => tensor.Key));
        pickle.code.Write("b."u8);
        return pickle.code.ToArray();
    }

    public void Dispose() => code.Dispose();

    private void Entry(string name, torch.Tensor tensor, int storage)
    {
        Text(name);
        string kind = Array.Find(Storages, known => known.Type == tensor.dtype).Storage ?? throw new NotSupportedException($"tensors of type {tensor.dtype} are not written to PyTorch files");
        Global("torch._utils", "_rebuild_tensor_v2");
        code.Write("(("u8);
        Once("storage");
        Global("torch", kind);
        Text(storage.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Once("cpu");
        Number(tensor.numel());
        Remember('t');
        code.Write("QK\0"u8);
        Tuple(tensor.shape);
        Tuple(tensor.stride());
        code.WriteByte(0x89);
        EmptyOrdered();
        Remember('t');
        Remember('R');
    }

    // Every module has version 1: those whose tensors there are, and all that they lie in, in the order of the names.
    private void Modules(IEnumerable<string> names)
    {
        string[] modules = [.. names.SelectMany(name => Enumerable.Range(0, name.Length).Where(i => name[i] == '.').Select(i => name[..i])).Prepend("").Distinct()];
        Remember('}');
        Text("_metadata");
        EmptyOrdered();
        Items([.. modules.Select(module => (Action)(() =>
        {
            Text(module);
            Remember('}');
            Once("version");
            code.Write("K\u0001s"u8);
        }))]);
        code.Write("s"u8);
    }

    private void Items(Action[] entries)
    {
        foreach (Action[] some in entries.Chunk(ItemsAtOnce))
        {
            if (some.Length > 1) code.Write("("u8);
            foreach (Action entry in some) entry();
            code.WriteByte((byte)(some.Length > 1 ? 'u' : 's'));
        }
    }

    private void EmptyOrdered()
    {
        Global("collections", "OrderedDict");
        code.Write(")"u8);
        Remember('R');
    }

    private void Global(string module, string name)
    {
        string text = $"c{module}\n{name}\n";
        if (Recalled(text)) return;
        code.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}"));
        memo[text] = remembered;
        Remember('\n');
    }

    /// <summary>A text that Python keeps one of, and so writes once.</summary>
    private void Once(string text)
    {
        if (Recalled(text)) return;
        memo[text] = remembered;
        Text(text);
    }

    private void Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text), length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        code.Write([(byte)'X', .. length]);
        code.Write(utf8);
        Put('q', 'r', remembered++);
    }

    private bool Recalled(string text)
    {
        if (!memo.TryGetValue(text, out int place)) return false;
        Put('h', 'j', place);
        return true;
    }

    /// <summary>An opcode, or the last letter of one, whose result is remembered.</summary>
    private void Remember(char opcode)
    {
        code.WriteByte((byte)opcode);
        Put('q', 'r', remembered++);
    }

    private void Put(char small, char large, int place)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, place);
        code.Write(place <= byte.MaxValue ? [(byte)small, bytes[0]] : [(byte)large, .. bytes]);
    }

    private void Tuple(long[] numbers)
    {
        if (numbers.Length == 0)
        {
            code.Write(")"u8);
            return;
        }
        if (numbers.Length > 3) code.Write("("u8);
        foreach (long number in numbers) Number(number);
        Remember(numbers.Length > 3 ? 't' : (char)(0x84 + numbers.Length));
    }

    private void Number(long number)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        // Of larger ones as many bytes as leave the sign clear.
        int length = 8;
        while (length > 1 && bytes[length - 1] == 0 && bytes[length - 2] < 0x80) length--;
        code.Write(number switch
        {
            <= byte.MaxValue => [(byte)'K', bytes[0]],
            <= ushort.MaxValue => [(byte)'M', .. bytes[..2]],
            <= int.MaxValue => [(byte)'J', .. bytes[..4]],
            _ => [0x8a, (byte)length, .. bytes[..length]],
        });
    }
}
