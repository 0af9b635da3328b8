using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Activations.Foreign;

/// <summary>
/// Activations and ids in a tensor file. What lies in the file as it does in memory is mapped, so that memory does not grow with
/// it; what does not (compressed, of another byte or index order) is read whole.
/// </summary>
internal sealed class TensorColumns : IForeignFile
{
    // What the stores written here call the scales of int8 rows.
    private const string Scales = StoreFolder.ScalesName;
    private readonly ITensorFile file;
    private readonly Dictionary<string, torch.Tensor> opened = new(StringComparer.Ordinal);
    private int width;

    /// <summary>Takes a file over.</summary>
    public TensorColumns(ITensorFile file)
    {
        this.file = file;
        Activations = [.. file.Entries.Where(entry => MayBeActivations(entry)).Select(entry => entry.Name)];
        Ids = [.. file.Entries.Where(entry => entry.Element.Name is "I64" or "I32" or "I16" or "I8" or "U64" or "U32" or "U16" or "U8" or "BOOL" && entry.Shape.Length > 0).Select(entry => entry.Name)];
    }

    public string Path => file.Path;

    public ImmutableArray<string> Activations { get; }

    public ImmutableArray<string> Ids { get; }

    public ForeignShape ShapeOf(string activations, bool heads)
    {
        TensorEntry entry = file.Entry(activations);
        if (DtypeOf(entry) is not { } dtype) throw Bad(entry, "activations are of type F32, F16, BF16 or F64");
        ImmutableArray<long> shape = entry.Shape;
        bool hasHeads = heads || shape.Length == 4;
        int inRow = hasHeads ? 2 : 1;
        if (shape.Length - inRow is not (1 or 2)) throw Bad(entry, hasHeads ? "with heads it must be [n, heads, d_head] or [documents, tokens, heads, d_head]" : "it must be [n, d_model] or [documents, tokens, d_model], or end in [heads, d_head]");
        long rows = Product(shape.AsSpan()[..^inRow]), numbers = Product(shape.AsSpan()[^inRow..]);
        if (rows == 0 || numbers is 0 or > int.MaxValue) throw Bad(entry, "it has no row, or rows without a number or too many");
        width = (int)numbers;
        HeadStructure? structure = hasHeads ? new((int)shape[^2], (int)shape[^1], null) : null;
        return new(rows, width, shape.Length - inRow == 2 ? checked((int)shape[1]) : null, structure, dtype);
    }

    public long CountOf(string ids) => Product(file.Entry(ids).Shape.AsSpan());

    public void ReadRows(string activations, long first, Span<float> rows)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor part = Flat(activations).narrow(0, first * width, rows.Length).to(torch.ScalarType.Float32);
        TensorMemory.Floats(part).CopyTo(rows);
        if (file.Entry(activations).Element.Name != "I8") return;
        int count = rows.Length / width;
        Span<float> scales = TensorMemory.Floats(Flat(Scales).narrow(0, first, count).to(torch.ScalarType.Float32));
        for (int row = 0; row < count; row++) System.Numerics.Tensors.TensorPrimitives.Multiply(rows.Slice(row * width, width), scales[row], rows.Slice(row * width, width));
    }

    public void ReadIds(string ids, long first, Span<long> values)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor part = Flat(ids).narrow(0, first, values.Length).to(torch.ScalarType.Int64);
        part.data<long>().CopyTo(values);
        long bits = file.Entry(ids).Element.Name switch { "U16" => ushort.MaxValue, "U32" => uint.MaxValue, _ => -1 };
        for (int i = 0; i < values.Length; i++) values[i] &= bits;
    }

    public void Dispose()
    {
        foreach (torch.Tensor tensor in opened.Values) tensor.Dispose();
        file.Dispose();
    }

    private torch.Tensor Flat(string name)
    {
        if (opened.TryGetValue(name, out torch.Tensor? flat)) return flat;
        using torch.Tensor whole = file.Entry(name).Element.Readable ? file.View(name) : file.ReadBits(name);
        return opened[name] = whole.view(-1).DetachFromDisposeScope();
    }

    private bool MayBeActivations(TensorEntry entry) => entry.Shape.Length is >= 2 and <= 4 && DtypeOf(entry) is not null;

    private StoreDtype? DtypeOf(TensorEntry entry) => entry.Element.Name switch
    {
        "F32" or "F64" => StoreDtype.F32,
        "F16" => StoreDtype.F16,
        "BF16" => StoreDtype.BF16,
        "I8" when file.Contains(Scales) && file.Entry(Scales) is { Element.Name: "F32", Shape: [var rows] } && entry.Shape is [var same, _] && rows == same => StoreDtype.Int8,
        _ => null,
    };

    private UserErrorException Bad(TensorEntry entry, string what) =>
        new($"{Path}: {Printable.Of(entry.Name)} is {entry.Element.Name} {Printable.Of(entry.Shape)}; {what}", Activations.Length == 0 ? "save the activations as one tensor of floating-point rows" : $"choose with --tensor among {string.Join(", ", Activations.Take(8).Select(Printable.Of))}");

    private static long Product(ReadOnlySpan<long> dimensions)
    {
        long product = 1;
        foreach (long dimension in dimensions) product = checked(product * dimension);
        return product;
    }
}
