using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models.Families;

/// <summary>
/// A model file of llama2.c: a header of sizes, then every weight without names, as float32 (legacy and version 1) or as
/// int8 with one float32 scale for each group (version 2). Its tensors are given Llama's names. Reference: llama2.c, export.py.
/// </summary>
internal sealed class Llama2CFile : WeightSource
{
    private const uint Magic = 0x616B3432;
    private const int NewHeader = 256;
    private readonly SafeFileHandle handle;
    private readonly MappedTensors mapped;
    private readonly Llama2CHeader header;
    private readonly Dictionary<string, Part> parts = [];

    private Llama2CFile(string path, SafeFileHandle handle)
    {
        (Path, this.handle, mapped) = (path, handle, new(path));
        header = Llama2CHeader.Read(path, handle, Magic, NewHeader);
        long at = header.DataStart;
        foreach ((string name, long[] shape) in header.Version == 0 ? header.LegacyOrder() : header.NewOrder())
        {
            bool quantised = header.GroupSize > 0 && !name.EndsWith("norm.weight", StringComparison.Ordinal);
            long count = shape.Aggregate(1L, (product, dimension) => product * dimension);
            if (name.Length > 0) parts.Add(name, new(at, [.. shape], quantised));
            at += quantised ? count + (count / header.GroupSize * sizeof(float)) : count * sizeof(float);
        }
        long length = RandomAccess.GetLength(handle);
        if (at != length) throw Llama2CHeader.Bad(path, $"its sizes ask for {at:N0} bytes, it has {length:N0}");
        Shapes = parts.ToDictionary(pair => pair.Key, pair => pair.Value.Shape);
    }

    internal override string Path { get; }

    internal override IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    /// <summary>The shape of the model.</summary>
    internal TransformerConfig Config => header.Config;

    /// <summary>Opens a file and checks that it is whole.</summary>
    /// <exception cref="UserErrorException">It is no llama2.c file, or not whole.</exception>
    internal static Llama2CFile Open(string path)
    {
        SafeFileHandle handle = File.OpenHandle(path);
        try
        {
            return new(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    internal override Tensor Read(string name)
    {
        Part part = parts[name];
        if (!part.Quantised && mapped.View(ScalarType.Float32, part.Offset, part.Shape) is { } view) return view;
        Tensor tensor = empty([.. part.Shape], ScalarType.Float32);
        Span<float> values = TensorMemory.Floats(tensor);
        if (part.Quantised) Dequantise(part.Offset, values);
        else Fill(MemoryMarshal.AsBytes(values), part.Offset);
        return tensor;
    }

    internal override string Hash() => Hashing.OfFile(Path);

    public override void Dispose()
    {
        mapped.Dispose();
        handle.Dispose();
    }

    private void Dequantise(long offset, Span<float> values)
    {
        byte[] levels = new byte[values.Length];
        float[] scales = new float[values.Length / header.GroupSize];
        Fill(levels, offset);
        Fill(MemoryMarshal.AsBytes(scales.AsSpan()), offset + levels.Length);
        for (int i = 0; i < values.Length; i++) values[i] = (sbyte)levels[i] * scales[i / header.GroupSize];
    }

    private void Fill(Span<byte> bytes, long offset)
    {
        while (bytes.Length > 0)
        {
            int read = RandomAccess.Read(handle, bytes, offset);
            if (read == 0) throw Llama2CHeader.Bad(Path, "it became shorter while it was read");
            bytes = bytes[read..];
            offset += read;
        }
    }

    private sealed record Part(long Offset, ImmutableArray<long> Shape, bool Quantised);
}
