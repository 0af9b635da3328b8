namespace Monosemantic.Training;

/// <summary>
/// The point whose summed distance to all rows is least, by Weiszfeld's iteration from the mean: at most 100 rounds, or
/// until it moves by less than 1e-5, as dictionary_learning does.
/// </summary>
internal static class GeometricMedian
{
    private const int MaxRounds = 100;
    private const double Tolerance = 1e-5;

    /// <summary>Finds it.</summary>
    /// <param name="points">Rows [n, width], row-major.</param>
    /// <param name="rows">Number of rows n, at least 1.</param>
    /// <param name="width">Width of a row.</param>
    internal static float[] Of(ReadOnlySpan<float> points, int rows, int width)
    {
        double[] guess = Mean(points, rows, width);
        var next = new double[width];
        for (int round = 0; round < MaxRounds; round++)
        {
            WeightedMean(points, rows, width, guess, next);
            double moved = 0;
            for (int i = 0; i < width; i++) moved += (next[i] - guess[i]) * (next[i] - guess[i]);
            (guess, next) = (next, guess);
            if (Math.Sqrt(moved) < Tolerance) break;
        }
        return Array.ConvertAll(guess, value => (float)value);
    }

    /// <summary>The mean of the rows.</summary>
    /// <param name="points">Rows [n, width], row-major.</param>
    /// <param name="rows">Number of rows n, at least 1.</param>
    /// <param name="width">Width of a row.</param>
    internal static double[] Mean(ReadOnlySpan<float> points, int rows, int width)
    {
        var mean = new double[width];
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < width; i++) mean[i] += points[(row * width) + i];
        }
        for (int i = 0; i < width; i++) mean[i] /= rows;
        return mean;
    }

    private static void WeightedMean(ReadOnlySpan<float> points, int rows, int width, double[] guess, double[] into)
    {
        Array.Clear(into);
        double weights = 0;
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> point = points.Slice(row * width, width);
            double square = 0;
            for (int i = 0; i < width; i++) square += (point[i] - guess[i]) * (point[i] - guess[i]);
            // A guess that lies on a point would give it infinite weight.
            double weight = 1 / Math.Max(Math.Sqrt(square), 1e-12);
            weights += weight;
            for (int i = 0; i < width; i++) into[i] += weight * point[i];
        }
        for (int i = 0; i < width; i++) into[i] /= weights;
    }
}
