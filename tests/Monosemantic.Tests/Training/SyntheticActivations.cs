using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Tests.Training;

/// <summary>Activations with a known dictionary: each row is a sparse positive combination of a few of its unit directions, plus a constant.</summary>
internal sealed class SyntheticActivations
{
    private readonly int width, active;
    private readonly float offset;

    internal SyntheticActivations(int directions, int width, int active, float offset = 0.5f, long seed = 1)
    {
        (this.width, this.active, this.offset, Seed) = (width, active, offset, seed);
        var random = new SeededRandom(seed);
        Directions = [.. Enumerable.Range(0, directions).Select(_ => Unit(random, width))];
    }

    internal float[][] Directions { get; }

    private long Seed { get; }

    internal IEnumerable<ActivationBatch> From(long first, int rows)
    {
        for (long number = first; ; number++) yield return Batch(number, rows);
    }

    internal SaeTrainingInput Input(int rows) => new() { DModel = width, BatchesFrom = first => From(first, rows), MeanNorm = MeanNorm() };

    internal ActivationBatch Batch(long number, int rows)
    {
        var random = new SeededRandom((Seed * 1_000_003) + number + 17);
        var values = new float[rows * width];
        for (int row = 0; row < rows; row++)
        {
            Span<float> x = values.AsSpan(row * width, width);
            x.Fill(offset);
            for (int i = 0; i < active; i++)
            {
                float[] direction = Directions[(int)(random.NextDouble() * Directions.Length)];
                float strength = 0.5f + (float)random.NextDouble();
                for (int j = 0; j < width; j++) x[j] += strength * direction[j];
            }
        }
        return new() { Rows = rows, DModel = width, Values = values, Documents = new int[rows], Positions = new int[rows], Tokens = new int[rows] };
    }

    private double MeanNorm()
    {
        ActivationBatch batch = Batch(0, 1000);
        return Enumerable.Range(0, 1000).Average(row => Math.Sqrt(batch.Row(row).ToArray().Sum(value => (double)value * value)));
    }

    private static float[] Unit(SeededRandom random, int width)
    {
        double[] direction = [.. Enumerable.Range(0, width).Select(_ => random.NextNormal())];
        double length = Math.Sqrt(direction.Sum(value => value * value));
        return [.. direction.Select(value => (float)(value / length))];
    }
}
