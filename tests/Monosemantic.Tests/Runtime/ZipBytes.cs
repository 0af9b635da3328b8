using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Monosemantic.Tests.Runtime;

/// <summary>Zip archives made by hand, so that every field can lie.</summary>
internal static class ZipBytes
{
    /// <summary>One file of an archive; what is left null is written as it should be.</summary>
    internal sealed record File(string Name, byte[] Content)
    {
        internal bool Deflate { get; init; }
        internal long? Length { get; init; }
        internal long? PackedLength { get; init; }
        internal uint? Crc { get; init; }
        internal ushort Flags { get; init; }
        internal ushort? Method { get; init; }
        internal string? LocalName { get; init; }
        internal long? HeaderAt { get; init; }
        internal bool Wide { get; init; }
    }

    internal static void Write(string path, params File[] files) => System.IO.File.WriteAllBytes(path, Of(files));

    /// <summary>The archive; with <paramref name="wide"/> its directory's end is in zip64 form too.</summary>
    internal static byte[] Of(File[] files, bool wide = false, long? count = null, byte[]? comment = null)
    {
        var archive = new MemoryStream();
        var directory = new MemoryStream();
        foreach (File file in files) Add(archive, directory, file);
        long at = archive.Position;
        archive.Write(directory.ToArray());
        long entries = count ?? files.Length, endAt = archive.Position;
        if (wide)
        {
            archive.Write([.. "PK\x06\x06"u8, .. BitConverter.GetBytes(44L), 45, 0, 45, 0, .. new byte[8], .. BitConverter.GetBytes(entries), .. BitConverter.GetBytes(entries), .. BitConverter.GetBytes(directory.Length), .. BitConverter.GetBytes(at)]);
            archive.Write([.. "PK\x06\x07"u8, .. new byte[4], .. BitConverter.GetBytes(endAt), .. BitConverter.GetBytes(1)]);
        }
        byte[] small = BitConverter.GetBytes(wide ? ushort.MaxValue : (ushort)entries);
        archive.Write([.. "PK\x05\x06"u8, .. new byte[4], .. small, .. small, .. BitConverter.GetBytes(wide ? uint.MaxValue : (uint)directory.Length), .. BitConverter.GetBytes(wide ? uint.MaxValue : (uint)at)]);
        archive.Write([.. BitConverter.GetBytes((ushort)(comment?.Length ?? 0)), .. comment ?? []]);
        return archive.ToArray();
    }

    private static void Add(MemoryStream archive, MemoryStream directory, File file)
    {
        byte[] packed = file.Deflate ? Deflated(file.Content) : file.Content, name = Encoding.UTF8.GetBytes(file.Name), localName = Encoding.UTF8.GetBytes(file.LocalName ?? file.Name);
        ushort method = file.Method ?? (ushort)(file.Deflate ? 8 : 0);
        long length = file.Length ?? file.Content.Length, packedLength = file.PackedLength ?? packed.Length, headerAt = file.HeaderAt ?? archive.Position;
        byte[] crc = BitConverter.GetBytes(file.Crc ?? Crc32.HashToUInt32(file.Content));
        byte[] sizes = [.. BitConverter.GetBytes(file.Wide ? uint.MaxValue : (uint)packedLength), .. BitConverter.GetBytes(file.Wide ? uint.MaxValue : (uint)length)];
        byte[] extra = file.Wide ? [1, 0, 24, 0, .. BitConverter.GetBytes(length), .. BitConverter.GetBytes(packedLength), .. BitConverter.GetBytes(headerAt)] : [];
        byte[] common = [.. BitConverter.GetBytes(file.Flags), .. BitConverter.GetBytes(method), 0, 0, 0x21, 0, .. crc, .. sizes];
        archive.Write([.. "PK\x03\x04"u8, 20, 0, .. common, .. BitConverter.GetBytes((ushort)localName.Length), 0, 0, .. localName, .. packed]);
        directory.Write([.. "PK\x01\x02"u8, 20, 0, 20, 0, .. common, .. BitConverter.GetBytes((ushort)name.Length), .. BitConverter.GetBytes((ushort)extra.Length), .. new byte[10], .. BitConverter.GetBytes(file.Wide ? uint.MaxValue : (uint)headerAt), .. name, .. extra]);
    }

    internal static byte[] Deflated(byte[] content)
    {
        var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.Optimal, leaveOpen: true)) deflate.Write(content);
        return packed.ToArray();
    }
}
