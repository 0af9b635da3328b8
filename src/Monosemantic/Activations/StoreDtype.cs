using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>How the numbers of a store are kept on disk.</summary>
public enum StoreDtype
{
    /// <summary>32-bit floating point: exactly what the model computed.</summary>
    F32,

    /// <summary>16-bit floating point (IEEE half): half the size, 11 significant bits, magnitudes up to 65,504.</summary>
    F16,

    /// <summary>16-bit floating point with the exponent of float32 (bfloat16): half the size, 8 significant bits, any magnitude.</summary>
    BF16,

    /// <summary>
    /// 8-bit integers -127..127 times one float32 for each row (its largest magnitude over 127): a quarter of the size. On the sample
    /// model the lowest cosine of a row with float32 is 0.9998, and the FVU of a TopK autoencoder 0.24766 in place of 0.24760;
    /// <c>activations/README.md</c> has the whole table.
    /// </summary>
    Int8,
}

/// <summary>What a <see cref="StoreDtype"/> is in a safetensors file.</summary>
internal static class StoreDtypeElements
{
    internal static TensorElement Element(this StoreDtype dtype) => dtype switch
    {
        StoreDtype.F32 => TensorElement.Float32,
        StoreDtype.F16 => TensorElement.Float16,
        StoreDtype.BF16 => TensorElement.BFloat16,
        StoreDtype.Int8 => TensorElement.Find("I8")!,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "no such dtype"),
    };

    /// <summary>Bytes of one row's numbers, its scale not counted.</summary>
    internal static int RowBytes(this StoreDtype dtype, int dModel) => checked(dModel * dtype.Element().Size);
}
