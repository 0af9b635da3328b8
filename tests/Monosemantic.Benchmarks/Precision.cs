using System.Numerics.Tensors;
using Monosemantic.Activations;

namespace Monosemantic.Benchmarks;

/// <summary>How near stored rows are to what the model computed, by dtype: cosine with float32.</summary>
internal sealed record Precision(Dictionary<string, double> Lowest, Dictionary<string, double> Mean)
{
    internal static Precision Of(Extraction extraction, int rows)
    {
        var precision = new Precision([], []);
        List<float[]> exact = [];
        int width = extraction.Source.Hooks[0].Width;
        foreach (KeptRows group in extraction.Schedule[StoreSplit.Training].From(0))
        {
            extraction.Group.Compute(group, null);
            for (int row = 0; row < group.Count; row++) exact.Add(extraction.Group.Values[0].AsSpan(row * width, width).ToArray());
            if (exact.Count >= rows) break;
        }
        foreach (StoreDtype dtype in new[] { StoreDtype.F16, StoreDtype.BF16, StoreDtype.Int8 })
        {
            double[] cosines = [.. exact.Select(row => Cosine(row, dtype))];
            precision.Lowest[dtype.ToString().ToLowerInvariant()] = cosines.Min();
            precision.Mean[dtype.ToString().ToLowerInvariant()] = cosines.Average();
        }
        return precision;
    }

    private static double Cosine(float[] row, StoreDtype dtype)
    {
        byte[] bytes = new byte[dtype.RowBytes(row.Length)];
        float[] back = new float[row.Length];
        float scale = RowCodec.Encode(dtype, row, bytes);
        RowCodec.Decode(dtype, bytes, scale, back);
        double[] a = [.. row.Select(value => (double)value)], b = [.. back.Select(value => (double)value)];
        return TensorPrimitives.CosineSimilarity<double>(a, b);
    }
}
