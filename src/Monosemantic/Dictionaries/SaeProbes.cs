using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>How far an autoencoder's numbers are from recorded ones, as a part of the largest recorded one.</summary>
/// <param name="FeatureActs">Largest difference of a feature activation.</param>
/// <param name="Reconstruction">Largest difference of an output.</param>
public sealed record ProbeDifference(double FeatureActs, double Reconstruction)
{
    /// <summary>The larger of the two; infinite where one is no number.</summary>
    public double Largest => double.IsNaN(FeatureActs + Reconstruction) ? double.PositiveInfinity : Math.Max(FeatureActs, Reconstruction);
}

/// <summary>
/// A few inputs, with the feature activations and outputs that an autoencoder gives for them: whatever computes the same
/// numbers from its weights is a right port of it. The inputs lie along encoder directions, so that features fire whatever
/// the scale of the activations.
/// </summary>
internal sealed unsafe class SaeProbes
{
    internal const string FileName = "probes.safetensors";

    /// <summary>Largest difference at which an autoencoder still is the one that the probes were made with: what other orders of summation and other processors do.</summary>
    internal const double Tolerance = 1e-4;

    private const int Count = 8;

    private readonly float[] inputs, outputs;
    private readonly SparseCode code;
    private readonly int width, outputWidth;

    private SaeProbes(float[] inputs, SparseCode code, float[] outputs)
    {
        (this.inputs, this.code, this.outputs) = (inputs, code, outputs);
        (width, outputWidth) = (inputs.Length / Math.Max(1, code.Rows), outputs.Length / Math.Max(1, code.Rows));
    }

    /// <summary>Makes probes of an autoencoder; the same weights give the same ones.</summary>
    internal static SaeProbes Of(SparseAutoencoder sae)
    {
        float[] inputs = Inputs(sae);
        return new SaeProbes(inputs, sae.EncodeSparse(inputs, Count), Outputs(sae, inputs));
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="UserErrorException">It is damaged.</exception>
    internal static SaeProbes Read(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using DisposeScope scope = NewDisposeScope();
        float[] inputs = Values(file, "x", out int rows);
        long[] offsets = file.Read("row_offsets").to(ScalarType.Int64).data<long>().ToArray();
        int[] features = file.Read("features").to(ScalarType.Int32).data<int>().ToArray();
        float[] values = file.Read("values").to(ScalarType.Float32).data<float>().ToArray(), outputs = Values(file, "reconstruction", out int outputRows);
        long dSae = file.Read("d_sae").to(ScalarType.Int64).item<long>();
        bool fits = rows == outputRows && offsets.Length == rows + 1 && offsets[0] == 0 && offsets[^1] == features.Length && features.Length == values.Length
            && offsets.Zip(offsets.Skip(1)).All(pair => pair.First <= pair.Second) && features.All(feature => feature >= 0 && feature < dSae);
        if (!fits) throw new UserErrorException($"{path}: its tensors do not fit together", "copy the whole folder again");
        return new SaeProbes(inputs, new SparseCode { Rows = rows, DSae = (int)dSae, RowOffsets = Array.ConvertAll(offsets, offset => (int)offset), Features = features, Values = values }, outputs);
    }

    internal void Write(string path)
    {
        using DisposeScope scope = NewDisposeScope();
        SafetensorsWriter.Write(path,
        [
            new("x", TensorMemory.FromFloats(inputs, code.Rows, width)),
            new("row_offsets", tensor(Array.ConvertAll(code.RowOffsets, offset => (long)offset))),
            new("features", code.Count == 0 ? zeros(0, ScalarType.Int32) : tensor(code.Features[..code.Count])),
            new("values", code.Count == 0 ? zeros(0, ScalarType.Float32) : tensor(code.Values[..code.Count])),
            new("d_sae", tensor((long)code.DSae)),
            new("reconstruction", TensorMemory.FromFloats(outputs, code.Rows, outputWidth)),
        ]);
    }

    /// <summary>Encodes and decodes the probes again.</summary>
    /// <exception cref="UserErrorException">They are of other widths.</exception>
    internal ProbeDifference Compare(SparseAutoencoder sae)
    {
        if (sae.Config.DModel != width || sae.Config.DSae != code.DSae || sae.Config.Outputs != outputWidth)
        {
            throw new UserErrorException($"the probes are for [{width}] to [{code.DSae}] to [{outputWidth}]; the autoencoder is [{sae.Config.DModel}] to [{sae.Config.DSae}] to [{sae.Config.Outputs}]", "copy the whole folder again");
        }
        float[] found = Outputs(sae, inputs);
        return new ProbeDifference(CodeDifference(sae.EncodeSparse(inputs, code.Rows)), Relative(found.Zip(outputs).Select(pair => (double)Math.Abs(pair.First - pair.Second)).DefaultIfEmpty().Max(), outputs));
    }

    private double CodeDifference(SparseCode other)
    {
        var dense = new double[code.DSae];
        double largest = 0;
        for (int row = 0; row < code.Rows; row++)
        {
            Array.Clear(dense);
            for (int i = code.RowOffsets[row]; i < code.RowOffsets[row + 1]; i++) dense[code.Features[i]] = code.Values[i];
            for (int i = other.RowOffsets[row]; i < other.RowOffsets[row + 1]; i++) dense[other.Features[i]] -= other.Values[i];
            largest = Math.Max(largest, dense.Max(Math.Abs));
        }
        return Relative(largest, code.Values.AsSpan(0, code.Count));
    }

    private static double Relative(double difference, ReadOnlySpan<float> values)
    {
        double largest = 0;
        foreach (float value in values) largest = Math.Max(largest, Math.Abs(value));
        return difference / (largest > 0 ? largest : 1);
    }

    private static float[] Outputs(SparseAutoencoder sae, float[] inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. TensorMemory.Floats(sae.Reconstruct(TensorMemory.FromFloats(inputs, inputs.Length / sae.Config.DModel, sae.Config.DModel)))];
    }

    // Along the encoder direction of a feature, so far that it fires, with some noise for the others; one is all zeros.
    private static float[] Inputs(SparseAutoencoder sae)
    {
        (int d, SaeWeights weights) = (sae.Config.DModel, sae.Weights);
        var random = new SeededRandom(0, stream: 7);
        var inputs = new float[Count * d];
        for (int probe = 1; probe < Count; probe++)
        {
            int feature = (int)((long)(probe - 1) * weights.DSae / (Count - 1));
            float* direction = (weights.Shape.Tied ? weights.DecoderAt : weights.EncoderAt) + ((long)feature * d);
            double square = Math.Max(1e-12, RowKernels.Dot(direction, direction, d)), reach = 1;
            if (!weights.Shape.Tied) reach += Math.Abs(weights.BEncAt[feature]);
            foreach (Tensor vector in weights.Features) reach += Math.Abs(((float*)TensorMemory.Address(vector))[feature]);
            double noise = 0.5 * reach / Math.Sqrt(square * d);
            for (int i = 0; i < d; i++)
            {
                double centre = sae.Config.SubtractBDec ? weights.BDecAt[i] : 0;
                inputs[(probe * d) + i] = (float)(centre + (reach / square * direction[i]) + (noise * random.NextNormal()));
            }
        }
        return inputs;
    }

    private static float[] Values(SafetensorsFile file, string name, out int rows)
    {
        Tensor values = file.Read(name).to(ScalarType.Float32);
        if (values.dim() != 2) throw new UserErrorException($"{file.Path}: {name} is {Printable.Of(values.shape)}; it must have two dimensions", "copy the whole folder again");
        rows = checked((int)values.shape[0]);
        return [.. TensorMemory.Floats(values)];
    }
}
