using System.Runtime.CompilerServices;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>The activations of one shard, memory-mapped and given out as float32.</summary>
internal sealed unsafe class MappedShard : IDisposable
{
    private readonly SafetensorsFile file;
    private readonly byte* data;
    private readonly byte* scales;
    private readonly StoreDtype dtype;
    private readonly int dModel, rowBytes;

    public MappedShard(string path, StorePlan plan, int rows)
    {
        file = SafetensorsFile.Open(path);
        try
        {
            Check(path, StoreFolder.TensorName, plan.Dtype.Element(), [rows, plan.DModel]);
            if (plan.Dtype == StoreDtype.Int8) Check(path, StoreFolder.ScalesName, TensorElement.Float32, [rows]);
        }
        catch
        {
            file.Dispose();
            throw;
        }
        data = (byte*)file.Address(StoreFolder.TensorName);
        scales = plan.Dtype == StoreDtype.Int8 ? (byte*)file.Address(StoreFolder.ScalesName) : null;
        dtype = plan.Dtype;
        dModel = plan.DModel;
        rowBytes = dtype.RowBytes(dModel);
        Rows = rows;
        MemoryPages.PreferLarge(data, (long)rows * rowBytes);
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Whether rows lie in the file as they are given out.</summary>
    public bool IsInPlace => dtype == StoreDtype.F32 && (nint)data % sizeof(float) == 0;

    /// <summary>Where a row lies.</summary>
    public byte* Address(int row) => data + ((long)row * rowBytes);

    /// <summary>What a row's numbers are multiplied by.</summary>
    public float Scale(int row) => scales is null ? 1 : Unsafe.ReadUnaligned<float>(scales + ((long)row * sizeof(float)));

    /// <summary>Copies consecutive rows [n, d_model].</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="values">Where to; its length says how many.</param>
    public void CopyRows(int first, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        int count = values.Length / dModel;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, Rows - count);
        // Rows without scales of their own are decoded together, as far as a span reaches.
        int atOnce = dtype == StoreDtype.Int8 ? 1 : Math.Max(1, int.MaxValue / rowBytes);
        for (int row = 0; row < count; row += atOnce)
        {
            int rows = Math.Min(atOnce, count - row);
            RowCodec.Decode(dtype, new ReadOnlySpan<byte>(Address(first + row), rows * rowBytes), Scale(first + row), values.Slice(row * dModel, rows * dModel));
        }
    }

    /// <summary>Begins to read rows from the disk.</summary>
    public void Fetch(int first, int count) => MemoryPages.Fetch(Address(first), (long)count * rowBytes);

    /// <summary>Gives memory back that rows took.</summary>
    public void Release(int first, int count) => MemoryPages.Release(Address(first), (long)count * rowBytes);

    /// <summary>Makes sure that rows are in memory.</summary>
    public void Populate(int first, int count) => MemoryPages.Populate(Address(first), (long)count * rowBytes);

    public void Dispose() => file.Dispose();

    private void Check(string path, string tensor, TensorElement element, long[] shape)
    {
        SafetensorsEntry entry = file.Entry(tensor);
        if (entry.Element == element && entry.Shape.AsSpan().SequenceEqual(shape)) return;
        throw new UserErrorException(
            $"{path} holds {entry.Element.Name} [{string.Join(", ", entry.Shape)}] as {tensor}, but the manifest says {element.Name} [{string.Join(", ", shape)}]",
            "copy the store again, or extract it again");
    }
}
