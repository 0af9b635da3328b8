using System.Text;

namespace Monosemantic.Tests.Runtime;

/// <summary>Pieces of pickles, instruction by instruction.</summary>
internal static class PickleCode
{
    internal static byte[] Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [(byte)'X', .. BitConverter.GetBytes(utf8.Length), .. utf8];
    }

    internal static byte[] Integer(long value) => [0x8a, 8, .. BitConverter.GetBytes(value)];

    internal static byte[] Tuple(params byte[][] items) => [(byte)'(', .. items.SelectMany(item => item), (byte)'t'];

    internal static byte[] Global(string module, string name) => [(byte)'c', .. Encoding.UTF8.GetBytes($"{module}\n{name}\n")];

    internal static byte[] Storage(string key, long count, string kind = "FloatStorage") =>
        [.. Tuple(Text("storage"), Global("torch", kind), Text(key), Text("cpu"), Integer(count)), (byte)'Q'];

    internal static byte[] Tensor(string key, long count, long offset, long[] shape, long[] strides) =>
        [.. Global("torch._utils", "_rebuild_tensor_v2"), .. Tuple(Storage(key, count), Integer(offset), Integers(shape), Integers(strides), [0x89], Hooks()), (byte)'R'];

    internal static byte[] Hooks() => [.. Global("collections", "OrderedDict"), .. ")R"u8];

    internal static byte[] Integers(params long[] values) => Tuple([.. values.Select(Integer)]);
}
