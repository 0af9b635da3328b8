using System.Buffers.Binary;
using System.Collections.Immutable;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models.Families;

/// <summary>
/// A model file of llama2.c: a header of sizes, then every weight without names, as float32 (legacy and version 1) or as
/// int8 with one float32 scale for each group (version 2). Its tensors are given Llama's names. Reference: llama2.c, export.py.
/// </summary>
internal sealed class Llama2CFile : WeightSource
{
    private readonly MappedFile file;
    private readonly Llama2CHeader header;
    private readonly Dictionary<string, Part> parts = [];

    private Llama2CFile(MappedFile file)
    {
        this.file = file;
        header = Llama2CHeader.Read(file);
        long at = header.DataStart;
        foreach ((string name, long[] shape) in header.Version == 0 ? header.LegacyOrder() : header.NewOrder())
        {
            bool quantised = header.GroupSize > 0 && !name.EndsWith("norm.weight", StringComparison.Ordinal);
            long count = shape.Aggregate(1L, (product, dimension) => product * dimension);
            if (name.Length > 0) parts.Add(name, new(at, [.. shape], quantised));
            at += quantised ? count + (count / header.GroupSize * sizeof(float)) : count * sizeof(float);
        }
        if (at != file.Length) throw Llama2CHeader.Bad(Path, $"its sizes ask for {at:N0} bytes, it has {file.Length:N0}");
        Shapes = parts.ToDictionary(pair => pair.Key, pair => pair.Value.Shape);
    }

    internal override string Path => file.Path;

    internal override IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    /// <summary>The shape of the model.</summary>
    internal TransformerConfig Config => header.Config;

    /// <summary>Opens a file and checks that it is whole.</summary>
    /// <exception cref="UserErrorException">It is no llama2.c file, or not whole.</exception>
    internal static Llama2CFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    internal override Tensor Read(string name)
    {
        Part part = parts[name];
        if (!part.Quantised && part.Offset % sizeof(float) == 0) return file.View(part.Offset, ScalarType.Float32, [.. part.Shape]);
        Tensor tensor = empty([.. part.Shape], ScalarType.Float32);
        if (part.Quantised) Dequantise(part.Offset, TensorMemory.Floats(tensor));
        else file.CopyTo(part.Offset, tensor);
        return tensor;
    }

    internal override string Hash() => Hashing.OfFile(Path);

    public override void Dispose() => file.Dispose();

    // All levels, then all scales.
    private void Dequantise(long offset, Span<float> values)
    {
        ReadOnlySpan<byte> levels = file.Span(offset, values.Length), scales = file.Span(offset + values.Length, values.Length / header.GroupSize * sizeof(float));
        for (int i = 0; i < values.Length; i++) values[i] = (sbyte)levels[i] * BinaryPrimitives.ReadSingleLittleEndian(scales[(i / header.GroupSize * sizeof(float))..]);
    }

    private sealed record Part(long Offset, ImmutableArray<long> Shape, bool Quantised);
}
