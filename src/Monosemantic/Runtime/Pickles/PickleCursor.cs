using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Monosemantic.Runtime.Pickles;

/// <summary>Reads a pickle's bytes one after the other, never past their end.</summary>
internal ref struct PickleCursor(ReadOnlySpan<byte> program, string where)
{
    // No name that is allowed is longer; only the start of others is shown.
    private const int MaxName = 200;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> program = program;
    private readonly string where = where;

    /// <summary>Bytes read so far.</summary>
    internal int At { get; private set; }

    /// <summary>The next bytes.</summary>
    internal ReadOnlySpan<byte> Take(long length)
    {
        if (length < 0 || length > program.Length - At) throw PickleMachine.Bad(where, $"at byte {At:N0} it claims {length:N0} more bytes than it has: it was cut short or lies");
        ReadOnlySpan<byte> taken = program.Slice(At, (int)length);
        At += (int)length;
        return taken;
    }

    internal byte Byte() => Take(1)[0];

    internal ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    internal int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    internal uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    /// <summary>A length of eight bytes; one beyond 2^63 becomes negative and is refused where it is used.</summary>
    internal long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    internal double Double() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>A whole number in two's complement, lowest byte first.</summary>
    internal BigInteger Long(long length)
    {
        if (length is < 0 or > 255) throw PickleMachine.Bad(where, $"it holds a whole number of {length:N0} bytes; at most 255 are read");
        return new BigInteger(Take(length), isUnsigned: false, isBigEndian: false);
    }

    /// <summary>Text in UTF-8; half surrogate pairs, which Python can write and UTF-8 cannot hold, are refused.</summary>
    internal string Text(long length)
    {
        ReadOnlySpan<byte> bytes = Take(length);
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw PickleMachine.Bad(where, $"a text that ends at byte {At:N0} is not UTF-8");
        }
    }

    /// <summary>A line of a name, without its end.</summary>
    internal string Line()
    {
        int length = program[At..].IndexOf((byte)'\n');
        if (length < 0) throw PickleMachine.Bad(where, "it ends within a name");
        ReadOnlySpan<byte> line = Take(length + 1)[..^1];
        return Encoding.Latin1.GetString(line[..Math.Min(length, MaxName)]);
    }
}
