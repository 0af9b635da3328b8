using System.Numerics;
using System.Runtime.CompilerServices;
using Monosemantic.Dictionaries;

namespace Monosemantic.Metrics;

/// <summary>
/// Activations, what a dictionary makes of them, and the few sums of each row from which most metrics follow, computed once.
/// The arrays may be longer than needed and are reused for the next batch.
/// </summary>
internal sealed class MetricRows
{
    private const int RowsToARange = 128;

    /// <summary>Number of rows n.</summary>
    public required int Rows { get; init; }

    /// <summary>Width of a row.</summary>
    public required int DModel { get; init; }

    /// <summary>Activations x [n, d_model].</summary>
    public required float[] X { get; init; }

    /// <summary>Reconstructions x_hat [n, d_model].</summary>
    public required float[] Reconstruction { get; init; }

    /// <summary>Feature activations [n, d_sae]; null where the reconstruction comes from no dictionary.</summary>
    public SparseCode? Code { get; init; }

    /// <summary>Document of each row [n].</summary>
    public required int[] Documents { get; init; }

    /// <summary>What the spread is measured about [d_model]: any fixed vector near the mean, the same for every batch.</summary>
    public required float[] Shift { get; init; }

    /// <summary>Sums of each row [n]; filled by <see cref="ComputeMoments"/>.</summary>
    public RowMoments[] Moments { get; private set; } = [];

    /// <summary>Fills <see cref="Moments"/>.</summary>
    public MetricRows ComputeMoments()
    {
        Moments = new RowMoments[Rows];
        int ranges = (Rows + RowsToARange - 1) / RowsToARange;
        Parallel.For(0, ranges, range =>
        {
            for (int row = range * RowsToARange; row < Math.Min(Rows, (range + 1) * RowsToARange); row++) Moments[row] = RowMoments.Of(X.AsSpan(row * DModel, DModel), Reconstruction.AsSpan(row * DModel, DModel), Shift);
        });
        return this;
    }
}

/// <summary>Float64 sums over the dimensions of one row.</summary>
/// <param name="Xx">|x|^2.</param>
/// <param name="Yy">|x_hat|^2.</param>
/// <param name="Xy">x . x_hat.</param>
/// <param name="Error">|x - x_hat|^2.</param>
/// <param name="Spread">|x - shift|^2.</param>
internal readonly record struct RowMoments(double Xx, double Yy, double Xy, double Error, double Spread)
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static RowMoments Of(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> shift)
    {
        Vector<double> xx = default, yy = default, xy = default, error = default, spread = default;
        int width = Vector<float>.Count, whole = x.Length - (x.Length % width);
        for (int j = 0; j < whole; j += width)
        {
            Vector.Widen(new Vector<float>(x[j..]), out Vector<double> xLow, out Vector<double> xHigh);
            Vector.Widen(new Vector<float>(y[j..]), out Vector<double> yLow, out Vector<double> yHigh);
            Vector.Widen(new Vector<float>(shift[j..]), out Vector<double> sLow, out Vector<double> sHigh);
            Vector<double> missLow = xLow - yLow, missHigh = xHigh - yHigh, fromLow = xLow - sLow, fromHigh = xHigh - sHigh;
            xx += (xLow * xLow) + (xHigh * xHigh);
            yy += (yLow * yLow) + (yHigh * yHigh);
            xy += (xLow * yLow) + (xHigh * yHigh);
            error += (missLow * missLow) + (missHigh * missHigh);
            spread += (fromLow * fromLow) + (fromHigh * fromHigh);
        }
        var sums = new RowMoments(Vector.Sum(xx), Vector.Sum(yy), Vector.Sum(xy), Vector.Sum(error), Vector.Sum(spread));
        for (int j = whole; j < x.Length; j++)
        {
            double a = x[j], b = y[j], c = a - shift[j];
            sums = new(sums.Xx + (a * a), sums.Yy + (b * b), sums.Xy + (a * b), sums.Error + ((a - b) * (a - b)), sums.Spread + (c * c));
        }
        return sums;
    }
}
