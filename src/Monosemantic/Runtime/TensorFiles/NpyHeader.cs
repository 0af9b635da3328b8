using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>The header of a NumPy array file, versions 1 to 3.</summary>
/// <param name="Element">The element type.</param>
/// <param name="BigEndian">Whether its numbers have their highest byte first.</param>
/// <param name="Fortran">Whether its first index runs fastest.</param>
/// <param name="Shape">Its dimensions; none for a single number.</param>
/// <param name="DataStart">Byte at which the numbers begin.</param>
internal sealed record NpyHeader(TensorElement Element, bool BigEndian, bool Fortran, ImmutableArray<long> Shape, int DataStart)
{
    /// <summary>Longest header that is read, its first bytes included.</summary>
    internal const int MaxLength = 1 << 16;

    private static readonly Dictionary<string, string> Elements = new()
    {
        ["f2"] = "F16",
        ["f4"] = "F32",
        ["f8"] = "F64",
        ["i1"] = "I8",
        ["i2"] = "I16",
        ["i4"] = "I32",
        ["i8"] = "I64",
        ["u1"] = "U8",
        ["u2"] = "U16",
        ["u4"] = "U32",
        ["u8"] = "U64",
        ["b1"] = "BOOL",
        ["c8"] = "C64",
    };

    /// <summary>The first bytes of every array file.</summary>
    internal static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Bytes of the numbers.</summary>
    internal long DataLength => Element.ByteCount(Shape)!.Value;

    /// <summary>NumPy's name of an element type in the order of this machine's bytes, or null where NumPy has none.</summary>
    /// <param name="element">The element type.</param>
    internal static string? Descriptor(TensorElement element)
    {
        string? code = Elements.FirstOrDefault(pair => pair.Value == element.Name).Key;
        return code is null ? null : (element.Size == 1 ? "|" : "<") + code;
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="head">The array's first bytes, its whole header among them.</param>
    /// <param name="where">What is being read, for errors.</param>
    /// <exception cref="UserErrorException">It is no header of an array of numbers.</exception>
    internal static NpyHeader Parse(ReadOnlySpan<byte> head, string where)
    {
        int end = EndOf(head, where), start = head[6] == 1 ? 10 : 12;
        if (end > head.Length) throw Bad(where, "it ends within its header");
        ReadOnlySpan<byte> text = head[start..end];
        if (!Ascii.IsValid(text)) throw Bad(where, "its header holds other letters than an array of numbers needs");
        var literal = new NpyDictionary(Encoding.ASCII.GetString(text), where);
        return Of(literal.Read(), end, where);
    }

    /// <summary>Byte at which the header ends, from the first 12 bytes of the array.</summary>
    /// <param name="head">The array's first bytes.</param>
    /// <param name="where">What is being read, for errors.</param>
    internal static int EndOf(ReadOnlySpan<byte> head, string where)
    {
        if (!head.StartsWith(Magic)) throw Bad(where, "it does not begin as one");
        if (head.Length < 12) throw Bad(where, "it ends within its header");
        (int Major, int Minor) version = (head[6], head[7]);
        if (version is not ((1 or 2 or 3), 0)) throw Bad(where, $"it is of version {version.Major}.{version.Minor}; 1.0, 2.0 and 3.0 are read");
        int start = version.Major == 1 ? 10 : 12;
        uint length = version.Major == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(head[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(head[8..]);
        return length <= MaxLength - start ? start + (int)length : throw Bad(where, $"its header claims {length:N0} bytes; at most {MaxLength - start:N0} are read");
    }

    /// <summary>The error for an array that is not sound.</summary>
    /// <param name="where">What was being read.</param>
    /// <param name="what">What is wrong.</param>
    internal static UserErrorException Bad(string where, string what) =>
        new($"{where} is not a NumPy array that is read here: {what}", "save it again from NumPy as a plain array of numbers (numpy.save, numpy.savez)");

    private static NpyHeader Of(NpyDictionary.Content content, int dataStart, string where)
    {
        string descriptor = content.Descriptor, shown = Printable.Of(descriptor);
        if (descriptor.Contains('O', StringComparison.Ordinal)) throw Bad(where, "it holds Python objects, which are stored as a pickle: reading them would run code");
        char order = descriptor.Length > 0 ? descriptor[0] : ' ';
        if (order is not ('<' or '>' or '|' or '=') || !Elements.TryGetValue(descriptor[1..], out string? name)) throw Bad(where, $"its numbers are of the type '{shown}'; read are f2 f4 f8 i1 i2 i4 i8 u1 b1");
        TensorElement element = TensorElement.Find(name)!;
        if (order == '|' && element.Size > 1) throw Bad(where, $"its type '{shown}' does not say in which order the bytes are");
        if (element.ByteCount(content.Shape) is null) throw Bad(where, $"its shape {Printable.Of(content.Shape)} is beyond what a file can hold");
        return new NpyHeader(element, order == '>' && element.Size > 1, content.Fortran, [.. content.Shape], dataStart);
    }
}
