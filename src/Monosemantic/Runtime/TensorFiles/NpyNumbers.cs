using System.Buffers.Binary;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>Brings the numbers of an array file into the order that tensors have: last index fastest, lowest byte first.</summary>
internal static unsafe class NpyNumbers
{
    /// <summary>An empty tensor with the stored order of indices, to be filled with the stored bytes.</summary>
    /// <param name="header">The array's header.</param>
    /// <param name="type">The element type.</param>
    internal static torch.Tensor Allocate(NpyHeader header, torch.ScalarType type)
    {
        long[] shape = [.. header.Shape];
        if (header.Fortran) Array.Reverse(shape);
        return torch.empty(shape, type);
    }

    /// <summary>Turns the stored bytes into the array; takes the tensor over.</summary>
    /// <param name="header">The array's header.</param>
    /// <param name="stored">What <see cref="Allocate"/> gave, filled.</param>
    internal static torch.Tensor Arrange(NpyHeader header, torch.Tensor stored)
    {
        if (header.BigEndian) Swap(stored, header.Element.Size);
        if (!header.Fortran || header.Shape.Length < 2) return stored;
        using (stored)
        {
            using torch.Tensor turned = stored.permute([.. Enumerable.Range(0, header.Shape.Length).Reverse().Select(index => (long)index)]);
            return turned.contiguous();
        }
    }

    private static void Swap(torch.Tensor tensor, int size)
    {
        byte* at = (byte*)TensorMemory.Address(tensor);
        const int chunk = 1 << 24;
        for (long left = tensor.numel(); left > 0; left -= chunk, at += (long)chunk * size)
        {
            int count = (int)Math.Min(left, chunk);
            if (size == 2) Swap(new Span<ushort>(at, count));
            else if (size == 4) Swap(new Span<uint>(at, count));
            else Swap(new Span<ulong>(at, count));
        }
    }

    private static void Swap(Span<ushort> numbers) => BinaryPrimitives.ReverseEndianness(numbers, numbers);

    private static void Swap(Span<uint> numbers) => BinaryPrimitives.ReverseEndianness(numbers, numbers);

    private static void Swap(Span<ulong> numbers) => BinaryPrimitives.ReverseEndianness(numbers, numbers);
}
