using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// Writes NumPy files: <c>.npy</c> with the bytes that NumPy's own writer gives (version 1.0, index order C), and <c>.npz</c>
/// archives of them. Whole or not at all; the same tensors give the same bytes.
/// </summary>
public static class NumpyWriter
{
    // NumPy leaves room for the longest first dimension, so that a file can grow in place, and aligns the numbers to 64 bytes.
    private const int Alignment = 64, GrowthDigits = 21;

    /// <summary>Writes one array.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensor">A tensor of any shape, on any device; not bfloat16, which NumPy does not have.</param>
    public static void WriteArray(string path, torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        byte[] header = Header(tensor, path);
        AtomicFile.Write(path, stream => WriteTo(stream, header, tensor));
    }

    /// <summary>Writes an archive of arrays.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensors">The tensors by name; any shape, on any device; not bfloat16, which NumPy does not have.</param>
    /// <param name="compress">Whether to deflate them; weights hardly get smaller.</param>
    public static void WriteArchive(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors, bool compress = false)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        KeyValuePair<string, torch.Tensor>[] all = [.. tensors];
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string name, _) in all)
        {
            if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || !names.Add(name)) throw new ArgumentException($"the name '{name}' is empty, holds a zero, or is given twice", nameof(tensors));
        }
        byte[][] headers = [.. all.Select(pair => Header(pair.Value, $"{path}: {pair.Key}"))];
        AtomicFile.Write(path, stream => WriteEntries(stream, all, headers, compress ? CompressionLevel.Optimal : CompressionLevel.NoCompression));
    }

    private static void WriteEntries(Stream stream, KeyValuePair<string, torch.Tensor>[] tensors, byte[][] headers, CompressionLevel level)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        for (int i = 0; i < tensors.Length; i++)
        {
            ZipArchiveEntry entry = archive.CreateEntry($"{tensors[i].Key}.npy", level);
            // The first day that a zip can name, as NumPy writes it: no time goes into an artefact.
            entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
            using Stream inside = entry.Open();
            WriteTo(inside, headers[i], tensors[i].Value);
        }
    }

    private static void WriteTo(Stream stream, byte[] header, torch.Tensor tensor)
    {
        stream.Write(header);
        TensorMemory.WriteTo(stream, tensor);
    }

    private static byte[] Header(torch.Tensor tensor, string where)
    {
        string descriptor = NpyHeader.Descriptor(TensorElement.Of(tensor.dtype))
            ?? throw new UserErrorException($"{where}: NumPy has no type for {TensorElement.Of(tensor.dtype).Name}", "convert it to float32 first");
        long[] shape = tensor.shape;
        string dimensions = shape.Length == 1 ? $"({shape[0]},)" : $"({string.Join(", ", shape)})";
        string text = $"{{'descr': '{descriptor}', 'fortran_order': False, 'shape': {dimensions}, }}";
        if (shape.Length > 0) text += new string(' ', GrowthDigits - shape[0].ToString().Length);
        int padding = Alignment - (NpyHeader.Magic.Length + 4 + text.Length + 1) % Alignment;
        string padded = text + new string(' ', padding) + "\n";
        byte[] header = [.. NpyHeader.Magic, 1, 0, 0, 0, .. Encoding.ASCII.GetBytes(padded)];
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), checked((ushort)padded.Length));
        return header;
    }
}
