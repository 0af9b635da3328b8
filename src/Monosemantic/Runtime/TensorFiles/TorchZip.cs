using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// The zip archives that PyTorch writes: nothing compressed, no times, every record's bytes at a multiple of 64 (an extra
/// field "FB" fills the gap), sizes and checksum behind them, and a directory with the 64-bit form of its end.
/// </summary>
/// <param name="stream">Where to, at its beginning.</param>
/// <param name="largest">From this size or place on, the 64-bit fields are used; smaller in tests only.</param>
internal sealed class TorchZip(Stream stream, long largest = uint.MaxValue)
{
    private const int Alignment = 64, HeaderBytes = 30, GapBytes = 4;

    // Data descriptor behind the bytes (bit 3) and names in UTF-8 (bit 11).
    private const ushort Flags = 0x0808;

    private readonly List<Record> records = [];
    private long at;

    /// <summary>Writes one record.</summary>
    /// <param name="name">Its path within the archive.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="write">Writes exactly so many.</param>
    internal void Put(string name, long length, Action<Stream> write)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        bool wide = length >= largest;
        byte[] sizes = wide ? [.. Bytes((ushort)1), .. Bytes((ushort)16), .. Bytes(length), .. Bytes(length)] : [];
        long start = at + HeaderBytes + utf8.Length + sizes.Length + GapBytes;
        byte[] gap = [(byte)'F', (byte)'B', .. Bytes((ushort)((Alignment - (start % Alignment)) % Alignment)), .. Enumerable.Repeat((byte)'Z', (int)((Alignment - (start % Alignment)) % Alignment))];
        var record = new Record(utf8, at, length, wide);
        Write([0x50, 0x4b, 3, 4, .. Bytes((ushort)0), .. Bytes(Flags), .. new byte[10], .. wide ? Bytes(ulong.MaxValue) : Bytes(0L), .. Bytes((ushort)utf8.Length), .. Bytes((ushort)(sizes.Length + gap.Length)), .. utf8, .. sizes, .. gap]);
        var inside = new Checked(stream);
        write(inside);
        if (inside.Length != length) throw new ArgumentException($"the record {name} wrote {inside.Length} bytes in place of {length}", nameof(write));
        at += length;
        record = record with { Checksum = inside.Checksum };
        Write([0x50, 0x4b, 7, 8, .. Bytes(record.Checksum), .. wide ? [.. Bytes(length), .. Bytes(length)] : Sizes(record)]);
        records.Add(record);
    }

    /// <summary>Writes the directory, the last thing of an archive.</summary>
    internal void End()
    {
        long directory = at;
        foreach (Record record in records)
        {
            bool far = record.At >= largest;
            byte[] numbers = [.. record.Wide ? [.. Bytes(record.Length), .. Bytes(record.Length)] : Array.Empty<byte>(), .. far ? Bytes(record.At) : []];
            byte[] extra = numbers.Length > 0 ? [.. Bytes((ushort)1), .. Bytes((ushort)numbers.Length), .. numbers] : [];
            Write([0x50, 0x4b, 1, 2, .. new byte[4], .. Bytes(Flags), .. new byte[6], .. Bytes(record.Checksum), .. record.Wide ? Bytes(ulong.MaxValue) : Sizes(record), .. Bytes((ushort)record.Name.Length), .. Bytes((ushort)extra.Length), .. new byte[10], .. Bytes(far ? uint.MaxValue : (uint)record.At), .. record.Name, .. extra]);
        }
        (long end, long size, long count) = (at, at - directory, records.Count);
        Write([0x50, 0x4b, 6, 6, .. Bytes(44L), 0x1e, 3, 0x2d, 0, .. new byte[8], .. Bytes(count), .. Bytes(count), .. Bytes(size), .. Bytes(directory)]);
        Write([0x50, 0x4b, 6, 7, .. new byte[4], .. Bytes(end), 1, 0, 0, 0]);
        ushort few = (ushort)Math.Min(count, ushort.MaxValue);
        Write([0x50, 0x4b, 5, 6, .. new byte[4], .. Bytes(few), .. Bytes(few), .. Bytes((uint)Math.Min(size, uint.MaxValue)), .. Bytes((uint)Math.Min(directory, uint.MaxValue)), 0, 0]);
    }

    private static byte[] Sizes(Record record) => [.. Bytes((uint)record.Length), .. Bytes((uint)record.Length)];

    private void Write(byte[] bytes)
    {
        stream.Write(bytes);
        at += bytes.Length;
    }

    private static byte[] Bytes(ushort value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(long value) => Bytes((ulong)value);

    private static byte[] Bytes(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    private sealed record Record(byte[] Name, long At, long Length, bool Wide, uint Checksum = 0);

    /// <summary>Counts and checks what passes through.</summary>
    private sealed class Checked(Stream inner) : Stream
    {
        private readonly Crc32 crc = new();
        private long length;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => length;

        public override long Position { get => length; set => throw new NotSupportedException(); }

        internal uint Checksum => crc.GetCurrentHashAsUInt32();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            crc.Append(buffer);
            length += buffer.Length;
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
