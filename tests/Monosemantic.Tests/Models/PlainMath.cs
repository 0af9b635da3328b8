namespace Monosemantic.Tests.Models;

/// <summary>Small formulas of the second implementation.</summary>
internal static class PlainMath
{
    /// <summary>Mean of (x - centre)^power.</summary>
    internal static double Mean(ReadOnlySpan<double> values, double centre, int power)
    {
        double sum = 0;
        foreach (double value in values) sum += Math.Pow(value - centre, power);
        return sum / values.Length;
    }

    /// <summary>A matrix [rows, columns] as [columns, rows].</summary>
    internal static double[] Transposed(double[] matrix, int rows)
    {
        int columns = matrix.Length / rows;
        double[] transposed = new double[matrix.Length];
        for (int i = 0; i < matrix.Length; i++) transposed[(i % columns * rows) + (i / columns)] = matrix[i];
        return transposed;
    }

    /// <summary>The standard normal distribution function, by the power series of its integral: exact to rounding up to |x| = 6.</summary>
    internal static double NormalBelow(double x)
    {
        if (Math.Abs(x) > 6) return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (int n = 1; n < 200; n++) sum += term *= x * x / ((2 * n) + 1);
        return 0.5 + (sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));
    }
}
