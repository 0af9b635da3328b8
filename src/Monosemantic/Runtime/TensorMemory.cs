using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>Raw memory of dense CPU tensors, for kernels and files. Checked once here, so that kernels need not check again.</summary>
public static unsafe class TensorMemory
{
    /// <summary>Address of a tensor's first element; valid while the tensor lives.</summary>
    /// <param name="tensor">A contiguous tensor on the CPU.</param>
    /// <exception cref="ArgumentException">It is not contiguous or not on the CPU.</exception>
    public static void* Address(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.device_type != DeviceType.CPU || !tensor.is_contiguous()) throw new ArgumentException("a contiguous CPU tensor is needed", nameof(tensor));
        if (tensor.numel() == 0) return null;
        using torch.Tensor flat = tensor.flatten();
        using torch.Tensor first = flat.narrow(0, 0, 1);
        fixed (byte* address = first.bytes) return address;
    }

    /// <summary>Elements of a float32 tensor [..], without a copy; valid while the tensor lives. At most 2^31 elements.</summary>
    /// <param name="tensor">A contiguous float32 tensor on the CPU.</param>
    public static Span<float> Floats(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.dtype != torch.ScalarType.Float32) throw new ArgumentException($"a float32 tensor is needed, not {tensor.dtype}", nameof(tensor));
        return new Span<float>(Address(tensor), checked((int)tensor.numel()));
    }

    /// <summary>A new float32 tensor of unset values, in large pages where it is large and the system has such.</summary>
    /// <param name="shape">Its dimensions.</param>
    internal static torch.Tensor NewFloats(params ReadOnlySpan<long> shape)
    {
        torch.Tensor tensor = torch.empty(shape, torch.ScalarType.Float32);
        MemoryPages.PreferLarge((byte*)Address(tensor), tensor.numel() * sizeof(float));
        return tensor;
    }

    /// <summary>A new float32 tensor with a copy of the values.</summary>
    /// <param name="values">The values, row-major.</param>
    /// <param name="shape">Their dimensions.</param>
    public static torch.Tensor FromFloats(ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        torch.Tensor tensor = torch.empty(shape, torch.ScalarType.Float32);
        values.CopyTo(Floats(tensor));
        return tensor;
    }

    /// <summary>Writes a tensor's elements, row-major and little-endian.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="tensor">A tensor of any shape, on any device.</param>
    internal static void WriteTo(Stream stream, torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor local = tensor.detach().cpu().contiguous();
        byte* at = (byte*)Address(local);
        for (long left = local.numel() * local.element_size(); left > 0;)
        {
            int chunk = (int)Math.Min(left, 1 << 24);
            stream.Write(new ReadOnlySpan<byte>(at, chunk));
            at += chunk;
            left -= chunk;
        }
    }
}
