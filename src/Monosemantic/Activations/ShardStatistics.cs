using System.Collections.Immutable;
using System.Runtime.Intrinsics;

namespace Monosemantic.Activations;

/// <summary>
/// Sums over the rows of one shard, in float64. Every shard's are kept beside it, so that an extraction that was interrupted
/// merges the same numbers in the same order as one that was not.
/// </summary>
internal sealed record ShardStatistics
{
    /// <summary>Number of rows n.</summary>
    public required long Rows { get; init; }

    /// <summary>Mean row [d_model].</summary>
    public required ImmutableArray<double> Mean { get; init; }

    /// <summary>Sum over the rows of (x - mean)^2 [d_model].</summary>
    public required ImmutableArray<double> SquaredDeviations { get; init; }

    /// <summary>Sum of the rows' norms.</summary>
    public required double NormSum { get; init; }

    /// <summary>Sum of the rows' squared norms.</summary>
    public required double SquaredNormSum { get; init; }
}

/// <summary>Joins the sums of shards, in their order (Chan, Golub and LeVeque 1979).</summary>
internal sealed class MergedStatistics
{
    private double[] mean = [], squares = [];
    private double rows, normSum, squaredNormSum;

    /// <summary>Adds the next shard.</summary>
    public void Add(ShardStatistics shard)
    {
        if (rows == 0) (mean, squares) = ([.. shard.Mean], [.. shard.SquaredDeviations]);
        else Join(shard);
        rows += shard.Rows;
        normSum += shard.NormSum;
        squaredNormSum += shard.SquaredNormSum;
    }

    /// <summary>The statistics over all rows; null where there is none.</summary>
    public StoreStatistics? Result() => rows == 0 ? null : new StoreStatistics
    {
        Mean = [.. mean],
        MeanNorm = normSum / rows,
        MeanSquaredNorm = squaredNormSum / rows,
        Variance = [.. squares.Select(square => square / rows)],
    };

    private void Join(ShardStatistics shard)
    {
        double total = rows + shard.Rows;
        for (int i = 0; i < mean.Length; i++)
        {
            double delta = shard.Mean[i] - mean[i];
            mean[i] += delta * (shard.Rows / total);
            squares[i] += shard.SquaredDeviations[i] + delta * delta * (rows * shard.Rows / total);
        }
    }
}

/// <summary>
/// Adds up rows for <see cref="ShardStatistics"/>, row after row, about the first row (so that a mean far from zero costs no
/// digits). The width of the vectors is fixed, so that every machine gets the same last digit.
/// </summary>
internal sealed class RowSums(int dModel)
{
    private readonly double[] shift = new double[dModel];
    private readonly double[] sums = new double[dModel];
    private readonly double[] squares = new double[dModel];
    private double normSum, squaredNormSum;
    private long rows;

    /// <summary>Adds one row [d_model]; false where it holds something that is not a finite number.</summary>
    public bool Add(ReadOnlySpan<float> row)
    {
        if (rows == 0) for (int i = 0; i < row.Length; i++) shift[i] = row[i];
        double squaredNorm = AddColumns(row);
        if (!double.IsFinite(squaredNorm)) return false;
        squaredNormSum += squaredNorm;
        normSum += Math.Sqrt(squaredNorm);
        rows++;
        return true;
    }

    /// <summary>The sums so far; then starts again from nothing.</summary>
    public ShardStatistics Take()
    {
        double n = rows;
        var result = new ShardStatistics
        {
            Rows = rows,
            Mean = [.. shift.Select((from, i) => from + sums[i] / n)],
            SquaredDeviations = [.. squares.Select((square, i) => Math.Max(0, square - sums[i] * sums[i] / n))],
            NormSum = normSum,
            SquaredNormSum = squaredNormSum,
        };
        Array.Clear(sums);
        Array.Clear(squares);
        (normSum, squaredNormSum, rows) = (0, 0, 0);
        return result;
    }

    // The squared norm of the row, and its part of every column's sums.
    private double AddColumns(ReadOnlySpan<float> row)
    {
        Vector256<double> low = Vector256<double>.Zero, high = Vector256<double>.Zero;
        int i = 0;
        for (; i <= row.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            (Vector256<double> first, Vector256<double> second) = Vector256.Widen(Vector256.Create(row[i..]));
            AddTo(i, first);
            AddTo(i + Vector256<double>.Count, second);
            low += first * first;
            high += second * second;
        }
        double norm = Vector256.Sum(low + high);
        for (; i < row.Length; i++)
        {
            double x = row[i], difference = x - shift[i];
            sums[i] += difference;
            squares[i] += difference * difference;
            norm += x * x;
        }
        return norm;
    }

    private void AddTo(int at, Vector256<double> x)
    {
        Vector256<double> difference = x - Vector256.Create(shift, at);
        (Vector256.Create(sums, at) + difference).CopyTo(sums, at);
        (Vector256.Create(squares, at) + difference * difference).CopyTo(squares, at);
    }
}
