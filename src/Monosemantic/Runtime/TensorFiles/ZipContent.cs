using System.IO.Compression;
using System.IO.Hashing;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// Reads what a zip archive's entries hold, never more than a bound set by the archive's own size, and checks each entry's
/// length and checksum.
/// </summary>
/// <param name="file">The archive.</param>
/// <param name="mayLackChecksums">Whether a recorded checksum of 0 means that none was computed, as PyTorch may be told to do.</param>
internal sealed class ZipContent(MappedFile file, bool mayLackChecksums)
{
    // What compressed entries may claim beyond twice the file: room for small archives of zeros, too little for a bomb.
    private const long Slack = 16L << 20;

    /// <summary>Most bytes that a compressed entry, or a number of them that are kept together, may unpack to.</summary>
    internal long MostUnpacked => 2 * file.Length + Slack;

    /// <summary>An entry's unpacked bytes as a stream, unchecked.</summary>
    /// <param name="entry">The entry.</param>
    internal Stream Open(ZipEntry entry)
    {
        UnmanagedMemoryStream packed = file.Stream(entry.DataAt, entry.PackedLength);
        return entry.Deflated ? new DeflateStream(packed, CompressionMode.Decompress) : packed;
    }

    /// <summary>An entry's first bytes, or all of them, unchecked.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="most">How many at most.</param>
    internal byte[] Head(ZipEntry entry, int most)
    {
        using Stream stream = Open(entry);
        byte[] head = new byte[Math.Min(entry.Length, most)];
        try
        {
            int got = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
            return got == head.Length ? head : throw Damaged(entry, "it unpacks to fewer bytes than it claims");
        }
        catch (InvalidDataException)
        {
            throw Damaged(entry, "its compressed bytes are damaged");
        }
    }

    /// <summary>All of a small entry, checked.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="most">Most bytes that it may have.</param>
    internal unsafe byte[] ReadSmall(ZipEntry entry, int most)
    {
        if (entry.Length > most || entry.Length > MostUnpacked) throw Damaged(entry, $"it claims {entry.Length:N0} bytes; at most {Math.Min(most, MostUnpacked):N0} are read");
        byte[] bytes = new byte[entry.Length];
        fixed (byte* at = bytes) Unpack(entry, at, skip: 0, bytes.Length);
        return bytes;
    }

    /// <summary>Fills a tensor from an entry, checked.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="skip">Bytes of the entry to pass over first.</param>
    /// <param name="tensor">A contiguous CPU tensor with as many bytes as follow.</param>
    internal unsafe void CopyTo(ZipEntry entry, long skip, torch.Tensor tensor) =>
        Unpack(entry, (byte*)TensorMemory.Address(tensor), skip, tensor.numel() * tensor.element_size());

    /// <summary>Checks the length and the checksum of a stored entry where it lies.</summary>
    /// <param name="entry">The entry.</param>
    internal void Verify(ZipEntry entry)
    {
        if (entry.Deflated) throw new ArgumentException("a stored entry is needed", nameof(entry));
        if (mayLackChecksums && entry.Crc == 0) return;
        var crc = new Crc32();
        for (long at = 0; at < entry.Length;)
        {
            int chunk = (int)Math.Min(entry.Length - at, 1 << 24);
            crc.Append(file.Span(entry.DataAt + at, chunk));
            at += chunk;
        }
        Check(entry, crc);
    }

    /// <summary>The error for an entry whose bytes are not what the directory says.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="what">What is wrong.</param>
    internal UserErrorException Damaged(ZipEntry entry, string what) =>
        new($"{file.Path}: {Printable.Of(entry.Name)} inside it cannot be read: {what}", "copy or download the file again, or make it again");

    // The skipped bytes are part of the checksum; one byte more is asked for at the end, to find an entry that holds too much.
    private unsafe void Unpack(ZipEntry entry, byte* to, long skip, long length)
    {
        if (entry.Length - skip != length) throw Damaged(entry, $"it has {entry.Length - skip:N0} bytes of data in place of {length:N0}");
        if (entry.Length > MostUnpacked && entry.Deflated) throw Damaged(entry, $"it claims {entry.Length:N0} bytes; at most {MostUnpacked:N0} are unpacked from a file of this size");
        var crc = new Crc32();
        using Stream stream = Open(entry);
        try
        {
            byte[] passed = new byte[(int)skip];
            stream.ReadExactly(passed);
            crc.Append(passed);
            for (long at = 0; at < length;)
            {
                var chunk = new Span<byte>(to + at, (int)Math.Min(length - at, 1 << 20));
                stream.ReadExactly(chunk);
                crc.Append(chunk);
                at += chunk.Length;
            }
            if (stream.ReadByte() >= 0) throw Damaged(entry, "it unpacks to more bytes than it claims");
        }
        catch (EndOfStreamException)
        {
            throw Damaged(entry, "it unpacks to fewer bytes than it claims");
        }
        catch (InvalidDataException)
        {
            throw Damaged(entry, "its compressed bytes are damaged");
        }
        Check(entry, crc);
    }

    private void Check(ZipEntry entry, Crc32 crc)
    {
        if (mayLackChecksums && entry.Crc == 0) return;
        if (crc.GetCurrentHashAsUInt32() != entry.Crc) throw Damaged(entry, "its checksum (CRC-32) is wrong, so its bytes were changed or damaged");
    }
}
