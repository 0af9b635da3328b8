using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// Writes state dicts as PyTorch files: the zip archive and the part of the pickle language that
/// <c>torch.load(weights_only=True)</c> takes. Whole or not at all; the same tensors give the same bytes.
/// </summary>
public static class TorchWriter
{
    private static readonly (torch.ScalarType Type, string Storage)[] Storages =
    [
        (torch.ScalarType.Float32, "FloatStorage"), (torch.ScalarType.Float64, "DoubleStorage"), (torch.ScalarType.Float16, "HalfStorage"), (torch.ScalarType.BFloat16, "BFloat16Storage"),
        (torch.ScalarType.Int64, "LongStorage"), (torch.ScalarType.Int32, "IntStorage"), (torch.ScalarType.Int16, "ShortStorage"), (torch.ScalarType.Int8, "CharStorage"),
        (torch.ScalarType.Byte, "ByteStorage"), (torch.ScalarType.Bool, "BoolStorage"),
    ];

    /// <summary>Writes an ordered dictionary of tensors, as <c>torch.save(module.state_dict(), path)</c> does.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensors">The tensors by name, in order; any shape, on any device.</param>
    /// <exception cref="ArgumentException">A name is given twice.</exception>
    public static void WriteStateDict(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        KeyValuePair<string, torch.Tensor>[] all = [.. tensors];
        if (all.DistinctBy(tensor => tensor.Key).Count() != all.Length) throw new ArgumentException("a name is given twice", nameof(tensors));
        string root = Path.GetFileNameWithoutExtension(path);
        byte[] program = Program(all);
        AtomicFile.Write(path, stream =>
        {
            using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
            Put(archive, $"{root}/data.pkl", entry => entry.Write(program));
            Put(archive, $"{root}/byteorder", entry => entry.Write("little"u8));
            for (int i = 0; i < all.Length; i++) Put(archive, $"{root}/data/{i}", entry => TensorMemory.WriteTo(entry, all[i].Value));
            Put(archive, $"{root}/version", entry => entry.Write("3\n"u8));
        });
    }

    private static void Put(ZipArchive archive, string name, Action<Stream> write)
    {
        ZipArchiveEntry entry = archive.CreateEntry(name, CompressionLevel.NoCompression);
        // No time goes into an artefact.
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using Stream inside = entry.Open();
        write(inside);
    }

    // Protocol 2: an OrderedDict, and each tensor as a call of _rebuild_tensor_v2 on a storage of its own.
    private static byte[] Program(KeyValuePair<string, torch.Tensor>[] tensors)
    {
        var code = new MemoryStream();
        code.Write([0x80, 2]);
        Global(code, "collections", "OrderedDict");
        code.Write(")R("u8);
        for (int i = 0; i < tensors.Length; i++)
        {
            Text(code, tensors[i].Key);
            Tensor(code, tensors[i].Value, i);
        }
        code.Write("u."u8);
        return code.ToArray();
    }

    private static void Tensor(MemoryStream code, torch.Tensor tensor, int storage)
    {
        string kind = Array.Find(Storages, known => known.Type == tensor.dtype).Storage ?? throw new NotSupportedException($"tensors of type {tensor.dtype} are not written to PyTorch files");
        Global(code, "torch._utils", "_rebuild_tensor_v2");
        code.Write("(("u8);
        Text(code, "storage");
        Global(code, "torch", kind);
        Text(code, storage.ToString());
        Text(code, "cpu");
        Number(code, tensor.numel());
        code.Write("tQK\0"u8);
        long[] shape = tensor.shape;
        Tuple(code, shape);
        Tuple(code, [.. shape.Select((_, at) => shape.Skip(at + 1).Aggregate(1L, (step, size) => step * Math.Max(1, size)))]);
        code.WriteByte(0x89);
        Global(code, "collections", "OrderedDict");
        code.Write(")RtR"u8);
    }

    private static void Global(MemoryStream code, string module, string name) => code.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private static void Text(MemoryStream code, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text), length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        code.Write([(byte)'X', .. length, .. utf8]);
    }

    private static void Tuple(MemoryStream code, long[] numbers)
    {
        code.WriteByte((byte)'(');
        foreach (long number in numbers) Number(code, number);
        code.WriteByte((byte)'t');
    }

    private static void Number(MemoryStream code, long number)
    {
        byte[] bytes = new byte[9];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        if (number <= byte.MaxValue) code.Write([(byte)'K', bytes[0]]);
        else if (number <= int.MaxValue) code.Write([(byte)'J', .. bytes[..4]]);
        else code.Write([0x8a, 8, .. bytes[..8]]);
    }
}
