using System.Buffers.Binary;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>One field of a protocol buffer message.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Value">A varint's or fixed field's value.</param>
/// <param name="Content">A length-delimited field's bytes; empty for others.</param>
internal readonly record struct ProtobufField(int Number, ulong Value, ReadOnlyMemory<byte> Content)
{
    /// <summary>The value as a 32-bit floating-point number.</summary>
    public float Single => BitConverter.UInt32BitsToSingle((uint)Value);

    /// <summary>The value as a number, negative ones too.</summary>
    public int Int32 => (int)(long)Value;

    /// <summary>The value as a truth value.</summary>
    public bool Boolean => Value != 0;
}

/// <summary>Reads the fields of a protocol buffer message as data. Source: the Protocol Buffers encoding.</summary>
internal static class ProtobufFields
{
    /// <summary>The fields in order.</summary>
    /// <param name="message">The message.</param>
    /// <param name="source">The file, for errors.</param>
    /// <exception cref="UserErrorException">The message is truncated or malformed.</exception>
    public static List<ProtobufField> Read(ReadOnlyMemory<byte> message, string source)
    {
        var fields = new List<ProtobufField>();
        int at = 0;
        while (at < message.Length)
        {
            ulong tag = Varint(message.Span, ref at, source);
            if (tag >> 3 is 0 or > int.MaxValue) throw Bad(source, at);
            int number = (int)(tag >> 3);
            fields.Add((tag & 7) switch
            {
                0 => new ProtobufField(number, Varint(message.Span, ref at, source), default),
                1 => new ProtobufField(number, BinaryPrimitives.ReadUInt64LittleEndian(Take(message, 8, ref at, source).Span), default),
                2 => new ProtobufField(number, 0, Take(message, Varint(message.Span, ref at, source), ref at, source)),
                5 => new ProtobufField(number, BinaryPrimitives.ReadUInt32LittleEndian(Take(message, 4, ref at, source).Span), default),
                _ => throw Bad(source, at),
            });
        }
        return fields;
    }

    private static ReadOnlyMemory<byte> Take(ReadOnlyMemory<byte> message, ulong length, ref int at, string source)
    {
        if (length > (ulong)(message.Length - at)) throw Bad(source, at);
        at += (int)length;
        return message[(at - (int)length)..at];
    }

    private static ulong Varint(ReadOnlySpan<byte> message, ref int at, string source)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (at >= message.Length) throw Bad(source, at);
            byte next = message[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw Bad(source, at);
    }

    private static UserErrorException Bad(string source, int at) => new(
        $"{source} is not a SentencePiece model: it is truncated or damaged at byte {at:N0} of a message", "take the file from the model's publisher again");
}
