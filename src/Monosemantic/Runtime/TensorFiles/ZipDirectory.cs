using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>One file inside a zip archive.</summary>
/// <param name="Name">Its name; never used as a path.</param>
/// <param name="Deflated">Whether it is compressed; else it is stored as it is.</param>
/// <param name="HeaderAt">Byte of the archive at which its own header begins.</param>
/// <param name="DataAt">Byte of the archive at which its content begins.</param>
/// <param name="PackedLength">Bytes that it takes in the archive.</param>
/// <param name="Length">Bytes that it claims to unpack to.</param>
/// <param name="Crc">Checksum of the unpacked bytes.</param>
internal sealed record ZipEntry(string Name, bool Deflated, long HeaderAt, long DataAt, long PackedLength, long Length, uint Crc);

/// <summary>
/// The directory of a zip archive (with or without zip64), read strictly: every entry lies inside the file, none overlaps
/// another, names are unique, and what is encrypted, split or compressed by an unusual method is refused.
/// </summary>
internal sealed class ZipDirectory
{
    private const int MaxEntries = 65_535;
    private const uint EndMark = 0x06054b50, End64Mark = 0x06064b50, Locator64Mark = 0x07064b50, CentralMark = 0x02014b50, LocalMark = 0x04034b50;
    private const int EndLength = 22, End64Length = 56, Locator64Length = 20, CentralLength = 46, LocalLength = 30;

    // No format here needs flags but these: 3 sizes after the data, 1 and 2 compression level, 11 UTF-8 names.
    private const int KnownFlags = 0x080e;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly MappedFile file;
    private readonly Dictionary<string, ZipEntry> byName = new(StringComparer.Ordinal);

    private ZipDirectory(MappedFile file)
    {
        this.file = file;
        (long start, long length, long count, long limit) = FindDirectory();
        Entries = ReadEntries(start, length, count, limit);
        CheckOverlaps(start);
    }

    /// <summary>The files, in the directory's order.</summary>
    internal ImmutableArray<ZipEntry> Entries { get; }

    /// <summary>Reads the directory.</summary>
    /// <param name="file">The archive.</param>
    /// <exception cref="UserErrorException">It is not a sound zip archive.</exception>
    internal static ZipDirectory Read(MappedFile file) => new(file);

    /// <summary>The file of that name, or null.</summary>
    /// <param name="name">Its name.</param>
    internal ZipEntry? Find(string name) => byName.GetValueOrDefault(name);

    // Where the directory lies, how many entries it has, and the byte at which it must end.
    private (long Start, long Length, long Count, long Limit) FindDirectory()
    {
        ReadOnlySpan<byte> tail = file.Tail(EndLength + ushort.MaxValue);
        int at = tail.Length - EndLength;
        while (at >= 0 && !(U32(tail, at) == EndMark && U16(tail, at + 20) == tail.Length - at - EndLength)) at--;
        if (at < 0) throw Bad($"it does not end as one: it was cut short{FileSignature.Remark(file)}");
        ReadOnlySpan<byte> end = tail[at..];
        long endAt = file.Length - tail.Length + at;
        if ((U16(end, 4), U16(end, 6)) is not ((0, 0) or (0xffff, 0xffff))) throw Bad("it is one part of a split archive");
        (long Start, long Length, long Count, long Limit) directory = Directory64(endAt) ?? (U32(end, 16), U32(end, 12), U16(end, 10), endAt);
        if (directory.Start < 0 || directory.Length < 0 || directory.Start > directory.Limit || directory.Length != directory.Limit - directory.Start) throw Bad("its directory does not end where it should");
        if (directory.Count < 0 || directory.Count > directory.Length / CentralLength || directory.Count > MaxEntries)
        {
            throw Bad($"it claims {directory.Count:N0} entries, more than its directory can hold or than the {MaxEntries:N0} that are read");
        }
        return directory;
    }

    private (long Start, long Length, long Count, long Limit)? Directory64(long endAt)
    {
        long locatorAt = endAt - Locator64Length;
        if (locatorAt < 0) return null;
        ReadOnlySpan<byte> locator = file.Span(locatorAt, Locator64Length);
        if (U32(locator, 0) != Locator64Mark) return null;
        long at = I64(locator, 8);
        if (at < 0 || at > locatorAt - End64Length) throw Bad("its zip64 directory lies outside the file");
        ReadOnlySpan<byte> end = file.Span(at, End64Length);
        if (U32(end, 0) != End64Mark) throw Bad("its zip64 directory has no header");
        return (I64(end, 48), I64(end, 40), I64(end, 32), at);
    }

    private ImmutableArray<ZipEntry> ReadEntries(long start, long length, long count, long limit)
    {
        var entries = ImmutableArray.CreateBuilder<ZipEntry>((int)count);
        long at = start;
        for (long i = 0; i < count; i++)
        {
            if (at > limit - CentralLength) throw Bad($"its directory ends within entry {i}");
            ReadOnlySpan<byte> fixedPart = file.Span(at, CentralLength);
            if (U32(fixedPart, 0) != CentralMark) throw Bad($"entry {i} of its directory has no header");
            int whole = CentralLength + U16(fixedPart, 28) + U16(fixedPart, 30) + U16(fixedPart, 32);
            if (whole > limit - at) throw Bad($"entry {i} of its directory reaches past the end");
            ZipEntry entry = ReadEntry(file.Span(at, whole), start);
            if (!byName.TryAdd(entry.Name, entry)) throw Bad($"it holds {Printable.Of(entry.Name)} twice");
            entries.Add(entry);
            at += whole;
        }
        if (at != start + length) throw Bad("something follows the last entry of its directory");
        return entries.ToImmutable();
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> central, long directoryAt)
    {
        int flags = U16(central, 8), method = U16(central, 10), nameLength = U16(central, 28);
        string name = Name(central.Slice(CentralLength, nameLength), flags);
        string shown = Printable.Of(name);
        if ((flags & 0x2041) != 0) throw Bad($"{shown} is encrypted");
        if ((flags & ~KnownFlags) != 0) throw Bad($"{shown} has the flags 0x{flags:x4}, which are not read here");
        if (method is not (0 or 8)) throw Bad($"{shown} is compressed by method {method}; only 0 (stored) and 8 (deflate) are read");
        (long length, long packed, long headerAt) = Sizes(central, CentralLength + nameLength, shown);
        if (method == 0 && packed != length) throw Bad($"{shown} is stored, but claims {length:N0} bytes in {packed:N0}");
        // Deflate makes at most 1,032 bytes of one.
        if (method == 8 && length / 1032 > packed) throw Bad($"{shown} claims {length:N0} bytes out of {packed:N0} compressed ones, more than deflate can hold");
        long dataAt = DataStart(central[..(CentralLength + nameLength)], headerAt, directoryAt, shown);
        if (packed > directoryAt - dataAt) throw Bad($"{shown} reaches past the archive's content");
        return new ZipEntry(name, method == 8, headerAt, dataAt, packed, length, U32(central, 16));
    }

    // Unpacked length, packed length and place; those that are saturated stand in the zip64 field.
    private (long Length, long Packed, long HeaderAt) Sizes(ReadOnlySpan<byte> central, int extraAt, string shown)
    {
        long length = U32(central, 24), packed = U32(central, 20), headerAt = U32(central, 42);
        if (U16(central, 34) is not (0 or 0xffff)) throw Bad($"{shown} lies in another part of a split archive");
        if (length == uint.MaxValue || packed == uint.MaxValue || headerAt == uint.MaxValue)
        {
            ReadOnlySpan<byte> wide = Field64(central.Slice(extraAt, U16(central, 30)));
            length = Widen(length, ref wide, shown);
            packed = Widen(packed, ref wide, shown);
            headerAt = Widen(headerAt, ref wide, shown);
        }
        if (length < 0 || packed < 0 || headerAt < 0) throw Bad($"{shown} has a size beyond 2^63");
        return (length, packed, headerAt);
    }

    private long Widen(long value, ref ReadOnlySpan<byte> wide, string shown)
    {
        if (value != uint.MaxValue) return value;
        if (wide.Length < 8) throw Bad($"{shown} lacks its zip64 sizes");
        long widened = I64(wide, 0);
        wide = wide[8..];
        return widened;
    }

    private static ReadOnlySpan<byte> Field64(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int length = U16(extra, 2);
            if (length > extra.Length - 4) return [];
            if (U16(extra, 0) == 1) return extra.Slice(4, length);
            extra = extra[(4 + length)..];
        }
        return [];
    }

    private long DataStart(ReadOnlySpan<byte> central, long headerAt, long directoryAt, string shown)
    {
        if (headerAt > directoryAt - LocalLength) throw Bad($"{shown} begins outside the archive's content");
        ReadOnlySpan<byte> local = file.Span(headerAt, LocalLength);
        if (U32(local, 0) != LocalMark) throw Bad($"{shown} has no header of its own");
        int nameLength = U16(local, 26);
        long dataAt = headerAt + LocalLength + nameLength + U16(local, 28);
        if (dataAt > directoryAt) throw Bad($"{shown} begins outside the archive's content");
        bool same = U16(local, 8) == U16(central, 10) && file.Span(headerAt + LocalLength, nameLength).SequenceEqual(central[CentralLength..]);
        bool sizesFollow = (U16(local, 6) & 8) != 0;
        if (!same || (!sizesFollow && U32(local, 14) != U32(central, 16))) throw Bad($"{shown} has two headers that contradict each other");
        return dataAt;
    }

    private void CheckOverlaps(long directoryAt)
    {
        long freeFrom = 0;
        foreach (ZipEntry entry in Entries.OrderBy(entry => entry.HeaderAt))
        {
            if (entry.HeaderAt < freeFrom) throw Bad($"{Printable.Of(entry.Name)} overlaps another entry");
            freeFrom = entry.DataAt + entry.PackedLength;
        }
        if (freeFrom > directoryAt) throw Bad("an entry overlaps the directory");
    }

    private string Name(ReadOnlySpan<byte> bytes, int flags)
    {
        bool utf8 = (flags & 0x0800) != 0;
        if (bytes.IsEmpty || bytes.Contains((byte)0)) throw Bad("an entry has no name, or one with a zero byte");
        if (!utf8 && !Ascii.IsValid(bytes)) throw Bad("an entry's name is neither ASCII nor marked as UTF-8");
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Bad("an entry's name is not UTF-8");
        }
    }

    private UserErrorException Bad(string what) => new($"{file.Path} is not a sound zip archive: {what}", "copy or download the file again, or make it again");

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
