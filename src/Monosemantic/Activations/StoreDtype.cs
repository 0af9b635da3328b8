using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>How the numbers of a store are kept on disk.</summary>
public enum StoreDtype
{
    /// <summary>32-bit floating point: exactly what the model computed.</summary>
    F32,

    /// <summary>16-bit floating point (IEEE half): half the size, 11 significant bits, magnitudes up to 65,504.</summary>
    F16,
}

/// <summary>What a <see cref="StoreDtype"/> is in a safetensors file.</summary>
internal static class StoreDtypeElements
{
    internal static TensorElement Element(this StoreDtype dtype) => dtype switch
    {
        StoreDtype.F32 => TensorElement.Float32,
        StoreDtype.F16 => TensorElement.Float16,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "no such dtype"),
    };
}
