using System.Numerics.Tensors;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>The activations of one shard, memory-mapped and given out as float32.</summary>
internal sealed unsafe class MappedShard : IDisposable
{
    private readonly SafetensorsFile file;
    private readonly byte* data;
    private readonly StoreDtype dtype;
    private readonly int dModel, rows;

    public MappedShard(string path, StorePlan plan, int rows)
    {
        file = SafetensorsFile.Open(path);
        SafetensorsEntry entry = file.Entry(StoreFolder.TensorName);
        if (entry.Element != plan.Dtype.Element() || !entry.Shape.AsSpan().SequenceEqual([rows, plan.DModel]))
        {
            file.Dispose();
            throw new UserErrorException(
                $"{path} holds {entry.Element.Name} [{string.Join(", ", entry.Shape)}], but the manifest says {plan.Dtype.Element().Name} [{rows}, {plan.DModel}]",
                "copy the store again, or extract it again");
        }
        data = (byte*)file.Address(StoreFolder.TensorName);
        dtype = plan.Dtype;
        dModel = plan.DModel;
        this.rows = rows;
    }

    /// <summary>Copies consecutive rows [n, d_model].</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="values">Where to; its length says how many.</param>
    public void CopyRows(int first, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if ((long)first * dModel + values.Length > (long)rows * dModel) throw new ArgumentOutOfRangeException(nameof(values));
        long offset = (long)first * dModel;
        if (dtype == StoreDtype.F32) new ReadOnlySpan<float>((float*)data + offset, values.Length).CopyTo(values);
        else TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>((Half*)data + offset, values.Length), values);
    }

    public void Dispose() => file.Dispose();
}
