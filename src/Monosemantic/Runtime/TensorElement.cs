using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>
/// Element types of stored tensors, named as safetensors names them. Those without a <see cref="Type"/> are recognised, so
/// that a file that holds them can be listed, but not read.
/// </summary>
/// <param name="Name">Name in the file, such as <c>F32</c>.</param>
/// <param name="Size">Bytes per element.</param>
/// <param name="Type">The tensor type it becomes; null where libtorch's .NET binding has none.</param>
/// <param name="WriteOrder">Place in the reference writer's order: higher comes first in a file.</param>
public sealed record TensorElement(string Name, int Size, torch.ScalarType? Type, int WriteOrder)
{
    /// <summary>Most dimensions that a tensor in a file may have; libtorch itself allows as many.</summary>
    internal const int MaxDimensions = 64;

    /// <summary>32-bit floating point.</summary>
    public static TensorElement Float32 { get; } = new("F32", 4, torch.ScalarType.Float32, 17);

    /// <summary>16-bit floating point, IEEE half precision.</summary>
    public static TensorElement Float16 { get; } = new("F16", 2, torch.ScalarType.Float16, 13);

    /// <summary>16-bit floating point with the exponent of float32.</summary>
    public static TensorElement BFloat16 { get; } = new("BF16", 2, torch.ScalarType.BFloat16, 14);

    /// <summary>64-bit floating point.</summary>
    public static TensorElement Float64 { get; } = new("F64", 8, torch.ScalarType.Float64, 19);

    /// <summary>64-bit integer.</summary>
    public static TensorElement Int64 { get; } = new("I64", 8, torch.ScalarType.Int64, 20);

    /// <summary>32-bit integer.</summary>
    public static TensorElement Int32 { get; } = new("I32", 4, torch.ScalarType.Int32, 15);

    // The order is that of the reference library's list of types, from BOOL (0) to U64 (21).
    private static readonly TensorElement[] All =
    [
        Float32, Float16, BFloat16, Float64, Int64, Int32,
        new("I16", 2, torch.ScalarType.Int16, 11),
        new("I8", 1, torch.ScalarType.Int8, 5),
        new("U8", 1, torch.ScalarType.Byte, 4),
        new("BOOL", 1, torch.ScalarType.Bool, 0),
        new("F8_E5M2", 1, null, 6),
        new("F8_E4M3", 1, null, 7),
        new("F8_E8M0", 1, null, 8),
        new("F8_E4M3FNUZ", 1, null, 9),
        new("F8_E5M2FNUZ", 1, null, 10),
        new("U16", 2, null, 12),
        new("U32", 4, null, 16),
        new("C64", 8, null, 18),
        new("U64", 8, null, 21),
    ];

    /// <summary>Whether tensors of this type can be read; the others can only be listed.</summary>
    public bool Readable => Type is not null;

    /// <summary>Names of the types that are read.</summary>
    internal static string ReadableNames { get; } = string.Join(", ", All.Where(element => element.Readable).Select(element => element.Name));

    /// <summary>The element type of a name, or null if it is not a whole number of bytes or not known.</summary>
    /// <param name="name">A safetensors type name.</param>
    public static TensorElement? Find(string name) => Array.Find(All, element => element.Name == name);

    /// <summary>The element type that stores a tensor.</summary>
    /// <param name="type">The tensor's type.</param>
    public static TensorElement Of(torch.ScalarType type) => Array.Find(All, element => element.Type == type)
        ?? throw new NotSupportedException($"tensors of type {type} are not written to files");

    /// <summary>Bytes of a dense tensor, or null where the shape has a negative or too many dimensions, or overflows.</summary>
    /// <param name="shape">The dimensions.</param>
    internal long? ByteCount(IReadOnlyList<long> shape)
    {
        if (shape.Count > MaxDimensions) return null;
        UInt128 count = (UInt128)Size;
        bool empty = false;
        foreach (long dimension in shape)
        {
            if (dimension < 0) return null;
            empty |= dimension == 0;
            // Zero last: an empty tensor of absurd other dimensions is refused as libtorch refuses it.
            count *= (UInt128)Math.Max(1, dimension);
            if (count > long.MaxValue) return null;
        }
        return empty ? 0 : (long)count;
    }

    /// <summary>The tensor type, or the error that names the tensor that cannot be read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The tensor.</param>
    internal torch.ScalarType TypeFor(string path, string name) => Type ?? throw new UserErrorException(
        $"{path}: tensor {Printable.Of(name)} is of type {Name}, which is not read here; read are {ReadableNames}", "store that tensor in one of these types");

    /// <summary>The same as <see cref="TypeFor"/>, and for unsigned whole numbers the signed type of their size.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The tensor.</param>
    internal torch.ScalarType BitsFor(string path, string name) => Name switch
    {
        "U16" => torch.ScalarType.Int16,
        "U32" => torch.ScalarType.Int32,
        "U64" => torch.ScalarType.Int64,
        _ => TypeFor(path, name),
    };
}
