using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Monosemantic.Activations;

/// <summary>
/// Turns rows of float32 into the bytes that a store keeps, and back. A row's bytes depend on its numbers alone, and are the same
/// on every machine.
/// </summary>
internal static class RowCodec
{
    private const int Levels = 127;

    /// <summary>Encodes one row.</summary>
    /// <param name="dtype">How it is kept.</param>
    /// <param name="row">The row [d_model].</param>
    /// <param name="bytes">Where its numbers go.</param>
    /// <returns>The row's scale, which is 1 but for <see cref="StoreDtype.Int8"/>.</returns>
    public static float Encode(StoreDtype dtype, ReadOnlySpan<float> row, Span<byte> bytes)
    {
        switch (dtype)
        {
            case StoreDtype.F32:
                MemoryMarshal.AsBytes(row).CopyTo(bytes);
                return 1;
            case StoreDtype.F16:
                TensorPrimitives.ConvertToHalf(row, MemoryMarshal.Cast<byte, Half>(bytes));
                return 1;
            case StoreDtype.BF16:
                EncodeBFloat16(MemoryMarshal.Cast<float, uint>(row), MemoryMarshal.Cast<byte, ushort>(bytes));
                return 1;
            default:
                return EncodeInt8(row, MemoryMarshal.Cast<byte, sbyte>(bytes));
        }
    }

    /// <summary>Decodes one row, or several that share a scale.</summary>
    /// <param name="dtype">How they are kept.</param>
    /// <param name="bytes">Their numbers.</param>
    /// <param name="scale">Their scale; only <see cref="StoreDtype.Int8"/> has one.</param>
    /// <param name="values">Where they go.</param>
    public static void Decode(StoreDtype dtype, ReadOnlySpan<byte> bytes, float scale, Span<float> values)
    {
        switch (dtype)
        {
            case StoreDtype.F32:
                bytes.CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case StoreDtype.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values);
                break;
            case StoreDtype.BF16:
                DecodeBFloat16(MemoryMarshal.Cast<byte, ushort>(bytes), MemoryMarshal.Cast<float, uint>(values));
                break;
            default:
                DecodeInt8(MemoryMarshal.Cast<byte, sbyte>(bytes), scale, values);
                break;
        }
    }

    // To nearest, ties to even; what is not a number stays so.
    private static void EncodeBFloat16(ReadOnlySpan<uint> row, Span<ushort> bytes)
    {
        for (int i = 0; i < row.Length; i++)
        {
            uint bits = row[i];
            bool isNaN = (bits & 0x7FFFFFFF) > 0x7F800000;
            bytes[i] = (ushort)(isNaN ? (bits >> 16) | 0x40 : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    private static void DecodeBFloat16(ReadOnlySpan<ushort> bytes, Span<uint> values)
    {
        int i = 0;
        for (; i <= bytes.Length - Vector128<ushort>.Count; i += Vector128<ushort>.Count)
        {
            (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(Vector128.Create(bytes[i..]));
            (low << 16).CopyTo(values[i..]);
            (high << 16).CopyTo(values[(i + Vector128<uint>.Count)..]);
        }
        for (; i < bytes.Length; i++) values[i] = (uint)bytes[i] << 16;
    }

    private static float EncodeInt8(ReadOnlySpan<float> row, Span<sbyte> bytes)
    {
        float largest = MathF.Abs(TensorPrimitives.MaxMagnitude(row)), scale = largest / Levels;
        if (!float.IsFinite(largest)) return float.NaN;
        if (scale == 0)
        {
            bytes.Clear();
            return 0;
        }
        for (int i = 0; i < row.Length; i++) bytes[i] = (sbyte)Math.Clamp(MathF.Round(row[i] / scale), -Levels, Levels);
        return scale;
    }

    private static void DecodeInt8(ReadOnlySpan<sbyte> bytes, float scale, Span<float> values)
    {
        int i = 0;
        ref sbyte first = ref MemoryMarshal.GetReference(bytes);
        for (; i <= bytes.Length - Vector128<sbyte>.Count; i += Vector128<sbyte>.Count)
        {
            (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.LoadUnsafe(ref Unsafe.Add(ref first, i)));
            StoreScaled(low, scale, values[i..]);
            StoreScaled(high, scale, values[(i + Vector128<short>.Count)..]);
        }
        for (; i < bytes.Length; i++) values[i] = bytes[i] * scale;
    }

    private static void StoreScaled(Vector128<short> numbers, float scale, Span<float> values)
    {
        (Vector128<int> low, Vector128<int> high) = Vector128.Widen(numbers);
        (Vector128.ConvertToSingle(low) * scale).CopyTo(values);
        (Vector128.ConvertToSingle(high) * scale).CopyTo(values[Vector128<int>.Count..]);
    }
}
