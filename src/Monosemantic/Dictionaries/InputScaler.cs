using System.Numerics.Tensors;

namespace Monosemantic.Dictionaries;

/// <summary>Per-token normalisation of inputs, and its undoing on outputs.</summary>
internal static class InputScaler
{
    private const double Epsilon = 1e-5;

    /// <summary>Normalises rows in place.</summary>
    /// <param name="kind">How.</param>
    /// <param name="rows">Rows [n, d].</param>
    /// <param name="width">d.</param>
    /// <returns>Shift and scale of each row; null where nothing is done.</returns>
    internal static (float Shift, float Scale)[]? Apply(InputNormalisation kind, Span<float> rows, int width)
    {
        if (kind == InputNormalisation.None) return null;
        var undo = new (float, float)[rows.Length / width];
        for (int row = 0; row < undo.Length; row++)
        {
            Span<float> x = rows.Slice(row * width, width);
            undo[row] = kind == InputNormalisation.LayerNorm ? LayerNorm(x) : ConstantNorm(x);
        }
        return undo;
    }

    /// <summary>Undoes it on outputs, in place.</summary>
    internal static void Undo((float Shift, float Scale)[]? scales, Span<float> rows, int width)
    {
        if (scales is null) return;
        for (int row = 0; row < scales.Length; row++)
        {
            Span<float> x = rows.Slice(row * width, width);
            TensorPrimitives.Multiply(x, scales[row].Scale, x);
            TensorPrimitives.Add(x, scales[row].Shift, x);
        }
    }

    private static (float Shift, float Scale) LayerNorm(Span<float> x)
    {
        float mean = TensorPrimitives.Sum(x) / x.Length;
        TensorPrimitives.Subtract(x, mean, x);
        float scale = (float)(Math.Sqrt(TensorPrimitives.SumOfSquares(x) / Math.Max(1, x.Length - 1)) + Epsilon);
        TensorPrimitives.Divide(x, scale, x);
        return (mean, scale);
    }

    private static (float Shift, float Scale) ConstantNorm(Span<float> x)
    {
        float norm = TensorPrimitives.Norm(x), scale = norm > 0 ? norm / MathF.Sqrt(x.Length) : 1;
        TensorPrimitives.Divide(x, scale, x);
        return (0, scale);
    }
}
