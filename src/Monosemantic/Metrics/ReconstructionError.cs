using System.Numerics;

namespace Monosemantic.Metrics;

/// <summary>How far reconstructions are from what they reconstruct.</summary>
/// <param name="Rows">Vectors compared.</param>
/// <param name="MsePerVector">E|x - x_hat|^2, a sum over dimensions and a mean over vectors; null without a vector.</param>
/// <param name="Fvu">E|x - x_hat|^2 / E|x - E x|^2; null without variance.</param>
/// <param name="CosineSimilarity">Mean of x . x_hat / (|x| |x_hat|) over the vectors where neither norm is 0; null where there is none.</param>
public sealed record ReconstructionResult(long Rows, double? MsePerVector, double? Fvu, double? CosineSimilarity);

/// <summary>
/// Error of reconstructions: mean squared error per vector, fraction of variance unexplained and cosine similarity.
/// <code>
/// FVU = sum |x - x_hat|^2 / sum |x - x_mean|^2     x_mean: the mean over everything added, not over a batch
/// </code>
/// </summary>
/// <remarks>
/// Sums are float64 and taken row by row, so that every split into batches gives the same bits. The variance is summed about
/// the first row, which keeps its digits where the mean is large against the spread (residual streams are such data).
/// </remarks>
/// <param name="dModel">Width of a vector.</param>
public sealed class ReconstructionError(int dModel)
{
    private readonly float[] shift = new float[dModel];
    private readonly double[] shifted = new double[dModel];
    private double squares;
    private double error;
    private double cosine;
    private long rows;
    private long cosineRows;

    /// <summary>Adds vectors and their reconstructions.</summary>
    /// <param name="x">The vectors [n, d_model], row-major.</param>
    /// <param name="reconstruction">Their reconstructions [n, d_model], row-major.</param>
    /// <exception cref="ArgumentException">The two differ in length, or are not whole rows.</exception>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> reconstruction)
    {
        if (x.Length != reconstruction.Length || x.Length % dModel != 0) throw new ArgumentException($"{x.Length} values against {reconstruction.Length}, in rows of {dModel}", nameof(reconstruction));
        for (int start = 0; start < x.Length; start += dModel)
        {
            ReadOnlySpan<float> row = x.Slice(start, dModel);
            if (rows++ == 0) row.CopyTo(shift);
            AddRow(row, reconstruction.Slice(start, dModel));
        }
    }

    /// <summary>The numbers over everything added so far. What is undefined or not finite is null.</summary>
    public ReconstructionResult Compute()
    {
        if (rows == 0) return new(0, null, null, null);
        double meanSquare = 0;
        foreach (double sum in shifted) meanSquare += sum * sum / rows;
        double variance = squares - meanSquare;
        return new(rows, Defined(error / rows), variance > 0 ? Defined(error / variance) : null, cosineRows > 0 ? Defined(cosine / cosineRows) : null);
    }

    private static double? Defined(double value) => double.IsFinite(value) ? value : null;

    private void AddRow(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Vector<double> square = default, residual = default, xx = default, yy = default, xy = default;
        int width = Vector<float>.Count, half = Vector<double>.Count, whole = dModel - (dModel % width);
        for (int j = 0; j < whole; j += width)
        {
            Vector.Widen(new Vector<float>(x[j..]), out Vector<double> xLow, out Vector<double> xHigh);
            Vector.Widen(new Vector<float>(y[j..]), out Vector<double> yLow, out Vector<double> yHigh);
            Vector.Widen(new Vector<float>(shift.AsSpan(j)), out Vector<double> shiftLow, out Vector<double> shiftHigh);
            Vector<double> low = xLow - shiftLow, high = xHigh - shiftHigh, missLow = xLow - yLow, missHigh = xHigh - yHigh;
            (new Vector<double>(shifted, j) + low).CopyTo(shifted, j);
            (new Vector<double>(shifted, j + half) + high).CopyTo(shifted, j + half);
            square += (low * low) + (high * high);
            residual += (missLow * missLow) + (missHigh * missHigh);
            xx += (xLow * xLow) + (xHigh * xHigh);
            yy += (yLow * yLow) + (yHigh * yHigh);
            xy += (xLow * yLow) + (xHigh * yHigh);
        }
        var sums = new RowSums(Vector.Sum(square), Vector.Sum(residual), Vector.Sum(xx), Vector.Sum(yy), Vector.Sum(xy));
        for (int j = whole; j < dModel; j++)
        {
            double a = x[j], b = y[j], moved = a - shift[j];
            shifted[j] += moved;
            sums = new(sums.Square + (moved * moved), sums.Residual + ((a - b) * (a - b)), sums.Xx + (a * a), sums.Yy + (b * b), sums.Xy + (a * b));
        }
        Count(sums);
    }

    private void Count(RowSums sums)
    {
        squares += sums.Square;
        error += sums.Residual;
        double norms = Math.Sqrt(sums.Xx) * Math.Sqrt(sums.Yy);
        if (norms == 0) return;
        cosine += sums.Xy / norms;
        cosineRows++;
    }

    private readonly record struct RowSums(double Square, double Residual, double Xx, double Yy, double Xy);
}
