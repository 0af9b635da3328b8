using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>Element types of stored tensors that this library reads and writes, named as safetensors names them.</summary>
/// <param name="Name">Name in the file, such as <c>F32</c>.</param>
/// <param name="Size">Bytes per element.</param>
/// <param name="Type">The tensor type it becomes.</param>
/// <param name="WriteOrder">Place in the reference writer's order: higher comes first in a file.</param>
public sealed record TensorElement(string Name, int Size, torch.ScalarType Type, int WriteOrder)
{
    /// <summary>32-bit floating point.</summary>
    public static TensorElement Float32 { get; } = new("F32", 4, torch.ScalarType.Float32, 16);

    /// <summary>16-bit floating point, IEEE half precision.</summary>
    public static TensorElement Float16 { get; } = new("F16", 2, torch.ScalarType.Float16, 12);

    /// <summary>16-bit floating point with the exponent of float32.</summary>
    public static TensorElement BFloat16 { get; } = new("BF16", 2, torch.ScalarType.BFloat16, 13);

    /// <summary>64-bit floating point.</summary>
    public static TensorElement Float64 { get; } = new("F64", 8, torch.ScalarType.Float64, 18);

    /// <summary>64-bit integer.</summary>
    public static TensorElement Int64 { get; } = new("I64", 8, torch.ScalarType.Int64, 19);

    /// <summary>32-bit integer.</summary>
    public static TensorElement Int32 { get; } = new("I32", 4, torch.ScalarType.Int32, 14);

    private static readonly TensorElement[] All =
    [
        Float32, Float16, BFloat16, Float64, Int64, Int32,
        new("I16", 2, torch.ScalarType.Int16, 10),
        new("I8", 1, torch.ScalarType.Int8, 5),
        new("U8", 1, torch.ScalarType.Byte, 4),
        new("BOOL", 1, torch.ScalarType.Bool, 0),
    ];

    /// <summary>The element type of a name, or null if it is not one that is read here.</summary>
    /// <param name="name">A safetensors type name.</param>
    public static TensorElement? Find(string name) => Array.Find(All, element => element.Name == name);

    /// <summary>The element type that stores a tensor.</summary>
    /// <param name="type">The tensor's type.</param>
    public static TensorElement Of(torch.ScalarType type) => Array.Find(All, element => element.Type == type)
        ?? throw new NotSupportedException($"tensors of type {type} are not written to files");
}
