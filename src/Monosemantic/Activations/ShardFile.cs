using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>
/// The safetensors file of one shard while it is written: rows go to the disk as they come, under a temporary name; the header,
/// which has to know how many there are, is written last into the space left for it, and then the file gets its name.
/// </summary>
internal sealed class ShardFile : IDisposable
{
    // Room for the longest header there can be; the format allows spaces behind it. A whole page of memory, so that rows of 2^n
    // bytes do not lie across more pages than they must.
    public const int HeaderBytes = 4096;

    // Written at multiples of its size, so that the system keeps the file in its cache in pages of that size, where it has such:
    // reading rows in random order then waits far less for the addresses of pages.
    private const int Block = 1 << 21;

    private readonly string path, temporary;
    private readonly StoreDtype dtype;
    private readonly int dModel;
    private readonly SafeFileHandle file;
    private readonly byte[] block = GC.AllocateUninitializedArray<byte>(Block);
    private readonly List<float> scales = [];
    private long written;
    private int filled;

    public ShardFile(string path, StoreDtype dtype, int dModel)
    {
        this.path = path;
        this.dtype = dtype;
        this.dModel = dModel;
        temporary = $"{path}.{Environment.ProcessId}.tmp";
        file = Guard(() => File.OpenHandle(temporary, FileMode.Create, FileAccess.Write, FileShare.None));
        block.AsSpan(0, filled = HeaderBytes).Clear();
    }

    /// <summary>Number of rows so far.</summary>
    public int Rows { get; private set; }

    /// <summary>Adds encoded rows.</summary>
    /// <param name="bytes">Their numbers.</param>
    /// <param name="rowScales">Their scales; only int8 has any.</param>
    public void Add(ReadOnlySpan<byte> bytes, ReadOnlySpan<float> rowScales)
    {
        try
        {
            Write(bytes);
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, path) is { } explained)
        {
            throw explained;
        }
        if (dtype == StoreDtype.Int8) scales.AddRange(rowScales);
        Rows += bytes.Length / dtype.RowBytes(dModel);
    }

    /// <summary>Makes the file whole and gives it its name.</summary>
    public void Finish() => Guard(() =>
    {
        Write(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(scales)));
        RandomAccess.Write(file, block.AsSpan(0, filled), written);
        RandomAccess.Write(file, Header(), 0);
        RandomAccess.FlushToDisk(file);
        file.Dispose();
        File.Move(temporary, path, overwrite: true);
    });

    /// <summary>Closes the file, and deletes it unless it is finished.</summary>
    public void Dispose()
    {
        file.Dispose();
        File.Delete(temporary);
    }

    /// <summary>Bytes of a shard's file.</summary>
    public static long Size(StoreDtype dtype, int dModel, long rows) =>
        HeaderBytes + (rows * (dtype.RowBytes(dModel) + (dtype == StoreDtype.Int8 ? sizeof(float) : 0)));

    // Whole blocks go out as they are, what begins or ends inside one through memory.
    private void Write(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int count = filled == 0 && bytes.Length >= Block ? bytes.Length / Block * Block : Math.Min(bytes.Length, Block - filled);
            if (count >= Block) WriteOut(bytes[..count]);
            else
            {
                bytes[..count].CopyTo(block.AsSpan(filled));
                filled += count;
            }
            bytes = bytes[count..];
            if (filled < Block) continue;
            WriteOut(block);
            filled = 0;
        }
    }

    private void WriteOut(ReadOnlySpan<byte> bytes)
    {
        RandomAccess.Write(file, bytes, written);
        written += bytes.Length;
    }

    private byte[] Header()
    {
        long end = (long)Rows * dtype.RowBytes(dModel);
        string tensors = $"\"{StoreFolder.TensorName}\":{{\"dtype\":\"{dtype.Element().Name}\",\"shape\":[{Rows},{dModel}],\"data_offsets\":[0,{end}]}}";
        if (dtype == StoreDtype.Int8) tensors += $",\"{StoreFolder.ScalesName}\":{{\"dtype\":\"F32\",\"shape\":[{Rows}],\"data_offsets\":[{end},{end + ((long)Rows * sizeof(float))}]}}";
        byte[] header = new byte[HeaderBytes];
        BitConverter.TryWriteBytes(header, (ulong)(HeaderBytes - sizeof(ulong)));
        Encoding.ASCII.GetBytes($"{{{tensors}}}".PadRight(HeaderBytes - sizeof(ulong)), header.AsSpan(sizeof(ulong)));
        return header;
    }

    private void Guard(Action action) => Guard(() =>
    {
        action();
        return true;
    });

    private T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception failure) when (AtomicFile.Explain(failure, path) is { } explained)
        {
            throw explained;
        }
    }
}
