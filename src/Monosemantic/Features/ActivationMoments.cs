using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>Mean and standard deviation of each dimension of a hook point, streamed; any split into batches gives the same bits.</summary>
/// <param name="width">Width of a row.</param>
public sealed class ActivationMoments(int width)
{
    private readonly float[] shift = new float[width];
    private readonly double[] sums = new double[width];
    private readonly double[] squares = new double[width];

    /// <summary>Width of a row.</summary>
    public int Width => width;

    /// <summary>Rows added.</summary>
    public long Rows { get; private set; }

    /// <summary>Mean of each dimension [width]; 0 before the first row.</summary>
    public ImmutableArray<double> Mean => [.. Enumerable.Range(0, width).Select(j => Rows == 0 ? 0 : shift[j] + (sums[j] / Rows))];

    /// <summary>Standard deviation of each dimension over the rows added (divided by n) [width].</summary>
    public ImmutableArray<double> Deviation =>
        [.. Enumerable.Range(0, width).Select(j => Rows == 0 ? 0 : Math.Sqrt(Math.Max(0, (squares[j] - (sums[j] * sums[j] / Rows)) / Rows)))];

    /// <summary>Adds rows.</summary>
    /// <param name="values">[n, width], row-major.</param>
    public void Add(ReadOnlySpan<float> values)
    {
        if (values.Length % width != 0) throw new ArgumentException($"{values.Length} values are not whole rows of {width}", nameof(values));
        for (int start = 0; start < values.Length; start += width)
        {
            ReadOnlySpan<float> row = values.Slice(start, width);
            // Sums about the first row keep their digits where the mean is large against the spread.
            if (Rows++ == 0) row.CopyTo(shift);
            for (int j = 0; j < width; j++)
            {
                double moved = (double)row[j] - shift[j];
                sums[j] += moved;
                squares[j] += moved * moved;
            }
        }
    }
}
