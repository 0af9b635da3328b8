using System.Runtime.InteropServices;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>What is written for encoded activations.</summary>
public enum EncodedForm
{
    /// <summary><c>feature_acts</c> [n, d_sae].</summary>
    Dense,

    /// <summary>That, and the compressed code: <c>row_offsets</c> [n + 1], <c>features</c> and <c>values</c> of the entries that fire.</summary>
    DenseAndSparse,

    /// <summary>The compressed code without <c>feature_acts</c>.</summary>
    Sparse,
}

/// <summary>What encoding a file gave.</summary>
public sealed record SaeEncodeSummary
{
    /// <summary>Number of tokens n.</summary>
    public required int Rows { get; init; }

    /// <summary>Mean number of features that fire for a token.</summary>
    public required double L0 { get; init; }

    /// <summary>Fraction of variance unexplained: sum of squared errors by sum of squared distances from the mean; null for a transcoder and where x does not vary.</summary>
    public required double? Fvu { get; init; }

    /// <summary>Tensors of the file with their shapes.</summary>
    public required IReadOnlyDictionary<string, long[]> Shapes { get; init; }
}

/// <summary>Encodes a file of activations into a file of feature activations and reconstructions.</summary>
public static class SaeEncodeRun
{
    private const string InputName = "x";
    private const int RowsAtOnce = 4096;

    /// <summary>Encodes.</summary>
    /// <param name="sae">The autoencoder.</param>
    /// <param name="input">Tensor file with the activations under <c>x</c> [n, d_model].</param>
    /// <param name="output">The safetensors file to make or replace: <c>feature_acts</c> [n, d_sae], <c>reconstruction</c> [n, d_out], in float32.</param>
    /// <param name="form">How feature activations are written.</param>
    /// <exception cref="UserErrorException">The file has no such tensor, or activations that are no numbers.</exception>
    public static SaeEncodeSummary Execute(SparseAutoencoder sae, string input, string output, EncodedForm form)
    {
        ArgumentNullException.ThrowIfNull(sae);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Inputs(sae, input);
        int rows = checked((int)x.shape[0]);
        Tensor reconstruction = empty(rows, sae.Config.Outputs, dtype: ScalarType.Float32);
        var code = new List<SparseCode>();
        for (int start = 0; start < rows; start += RowsAtOnce)
        {
            using DisposeScope part = NewDisposeScope();
            int count = Math.Min(RowsAtOnce, rows - start);
            Tensor some = x.narrow(0, start, count).contiguous();
            code.Add(sae.EncodeSparse(TensorMemory.Floats(some), count));
            reconstruction.narrow(0, start, count).copy_(sae.Reconstruct(some));
        }
        SafetensorsWriter.Item[] items = [.. Items(code, rows, sae.Config.DSae, form), new("reconstruction", TensorElement.Float32, reconstruction.shape, stream => TensorMemory.WriteTo(stream, reconstruction))];
        SafetensorsWriter.WriteItems(output, items);
        return new()
        {
            Rows = rows,
            L0 = rows == 0 ? 0 : code.Sum(part => (double)part.Count) / rows,
            Fvu = sae.Config.Outputs == sae.Config.DModel && sae.Config.HookPointOut is null ? Fvu(x, reconstruction) : null,
            Shapes = items.ToDictionary(item => item.Name, item => item.Shape),
        };
    }

    private static Tensor Inputs(SparseAutoencoder sae, string input)
    {
        using ITensorFile file = TensorFile.Open(input);
        TensorEntry entry = file.Entry(InputName);
        if (entry.Shape.Length != 2 || entry.Shape[1] != sae.Config.DModel) throw new UserErrorException($"{input}: {InputName} is {Printable.Of(entry.Shape)}; it must be [n, {sae.Config.DModel}] (d_model)", "give activations of the hook point that this autoencoder was trained on");
        if (entry.Element.Name is not ("F32" or "F16" or "BF16" or "F64")) throw new UserErrorException($"{input}: {InputName} is of type {entry.Element.Name}; it must be a floating point type", "store the activations as float32");
        Tensor x = file.View(InputName).to(ScalarType.Float32).contiguous();
        long wrong = x.numel() == 0 ? 0 : x.isfinite().logical_not().sum().item<long>();
        if (wrong == 0) return x;
        long first = x.isfinite().logical_not().flatten().to(ScalarType.Byte).argmax().item<long>();
        throw new UserErrorException($"{input}: {wrong:N0} of the activations in {InputName} are not finite, the first at [{first / sae.Config.DModel}, {first % sae.Config.DModel}]", "extract them again; a model in half precision may overflow");
    }

    private static IEnumerable<SafetensorsWriter.Item> Items(List<SparseCode> code, int rows, int dSae, EncodedForm form)
    {
        if (form != EncodedForm.Sparse) yield return new("feature_acts", TensorElement.Float32, [rows, dSae], stream => WriteDense(stream, code, dSae));
        if (form == EncodedForm.Dense) yield break;
        long count = code.Sum(part => (long)part.Count);
        yield return new("row_offsets", TensorElement.Int64, [rows + 1], stream => WriteOffsets(stream, code));
        yield return new("features", TensorElement.Int32, [count], stream => Write<int>(stream, code, part => part.Features.AsSpan(0, part.Count)));
        yield return new("values", TensorElement.Float32, [count], stream => Write<float>(stream, code, part => part.Values.AsSpan(0, part.Count)));
    }

    private delegate ReadOnlySpan<T> Entries<T>(SparseCode part);

    private static void Write<T>(Stream stream, List<SparseCode> code, Entries<T> entries)
        where T : unmanaged
    {
        foreach (SparseCode part in code) stream.Write(MemoryMarshal.AsBytes(entries(part)));
    }

    private static void WriteOffsets(Stream stream, List<SparseCode> code)
    {
        long before = 0;
        stream.Write(BitConverter.GetBytes(before));
        foreach (SparseCode part in code)
        {
            for (int row = 1; row <= part.Rows; row++) stream.Write(BitConverter.GetBytes(before + part.RowOffsets[row]));
            before += part.Count;
        }
    }

    private static void WriteDense(Stream stream, List<SparseCode> code, int dSae)
    {
        var dense = new float[dSae];
        foreach (SparseCode part in code)
        {
            for (int row = 0; row < part.Rows; row++)
            {
                Array.Clear(dense);
                ReadOnlySpan<int> features = part.FeaturesOf(row);
                for (int i = 0; i < features.Length; i++) dense[features[i]] = part.ValuesOf(row)[i];
                stream.Write(MemoryMarshal.AsBytes<float>(dense));
            }
        }
    }

    private static double? Fvu(Tensor x, Tensor reconstruction)
    {
        if (x.shape[0] == 0) return null;
        double total = (x - x.mean([0])).to(ScalarType.Float64).square().sum().item<double>();
        return total > 0 ? (reconstruction - x).to(ScalarType.Float64).square().sum().item<double>() / total : null;
    }
}
