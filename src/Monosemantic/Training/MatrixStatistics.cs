using Monosemantic.Dictionaries;

namespace Monosemantic.Training;

/// <summary>Sums over the rows of a batch, per range of rows and then in order, so that threads do not change a bit.</summary>
internal static unsafe class MatrixStatistics
{
    private const int RowsToARange = 64;

    /// <summary>Sum of each column [width].</summary>
    internal static double[] ColumnSums(float* matrix, int rows, int width, int threads)
    {
        var partial = new float[(rows + RowsToARange - 1) / RowsToARange][];
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            var sums = new float[width];
            fixed (float* at = sums)
            {
                for (long row = start; row < end; row++) RowKernels.AddScaled(at, matrix + (row * width), 1f, width);
            }
            partial[start / RowsToARange] = sums;
        });
        var total = new double[width];
        foreach (float[] sums in partial)
        {
            for (int i = 0; i < width; i++) total[i] += sums[i];
        }
        return total;
    }

    /// <summary>Sum over rows of the squared distance from the rows' mean.</summary>
    internal static double SumSquaredDeviations(float* matrix, int rows, int width, int threads)
    {
        double[] sums = ColumnSums(matrix, rows, width, threads);
        float[] mean = Array.ConvertAll(sums, sum => (float)(sum / rows));
        var partial = new double[(rows + RowsToARange - 1) / RowsToARange];
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            var scratch = new float[width];
            double sum = 0;
            fixed (float* centre = mean, at = scratch)
            {
                for (long row = start; row < end; row++)
                {
                    new ReadOnlySpan<float>(matrix + (row * width), width).CopyTo(scratch);
                    sum += RowKernels.SubtractAndSumSquares(at, centre, width);
                }
            }
            partial[start / RowsToARange] = sum;
        });
        return partial.Sum();
    }
}
