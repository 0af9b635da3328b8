using System.Collections.Immutable;
using System.Numerics.Tensors;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;

namespace Monosemantic.Features;

/// <summary>
/// Pearson correlation of every feature with every dimension of the hook point, streamed: sums of x, x^2 and f x over the rows,
/// x taken about the first row so that the digits last. Any split into batches gives the same bits.
/// </summary>
internal sealed class CrossCorrelation(int units, int width)
{
    private const int ColumnsPerTask = 64;
    private readonly double[] products = new double[(long)units * width];
    private readonly double[] sums = new double[width];
    private readonly double[] squares = new double[width];
    private double[] shift = new double[width];
    private double[] moved = [];
    private long rows;

    /// <summary>Adds rows; inserted tokens are left out.</summary>
    /// <param name="batch">Activations [n, width].</param>
    /// <param name="code">The features' activations [n, units].</param>
    internal void Add(ActivationBatch batch, SparseCode code)
    {
        int[] kept = [.. Enumerable.Range(0, batch.Rows).Where(row => batch.Positions[row] >= 0)];
        if (kept.Length == 0) return;
        if (rows == 0) TensorPrimitives.ConvertChecked<float, double>(batch.Row(kept[0]), shift);
        rows += kept.Length;
        if (moved.Length < kept.Length * width) moved = new double[kept.Length * width];
        Parallel.For(0, (width + ColumnsPerTask - 1) / ColumnsPerTask, task =>
        {
            int first = task * ColumnsPerTask, count = Math.Min(ColumnsPerTask, width - first);
            for (int i = 0; i < kept.Length; i++) AddRow(batch.Row(kept[i]).Slice(first, count), moved.AsSpan((i * width) + first, count), first, code, kept[i]);
        });
    }

    /// <summary>Correlations of one feature with each dimension [width]; 0 where either never varies.</summary>
    /// <param name="unit">The feature.</param>
    /// <param name="moments">Its mean and standard deviation over all rows.</param>
    internal double[] Of(int unit, (double Mean, double Deviation) moments)
    {
        var correlations = new double[width];
        for (int j = 0; j < width && rows > 0; j++)
        {
            double mean = sums[j] / rows, deviation = Math.Sqrt(Math.Max(0, (squares[j] / rows) - (mean * mean)));
            if (deviation == 0 || moments.Deviation == 0) continue;
            correlations[j] = ((products[((long)unit * width) + j] / rows) - (moments.Mean * mean)) / (moments.Deviation * deviation);
        }
        return correlations;
    }

    /// <summary>The strongest correlations of either sign, from both sides.</summary>
    /// <param name="moments">Mean and standard deviation of each feature.</param>
    /// <param name="count">How many to keep.</param>
    internal (ImmutableArray<NeighbourEvidence>[] Features, ImmutableArray<NeighbourEvidence>[] Neurons) Strongest((double Mean, double Deviation)[] moments, int count)
    {
        var features = new ImmutableArray<NeighbourEvidence>[units];
        var columns = new List<(int Unit, double Value)>[width];
        for (int j = 0; j < width; j++) columns[j] = [];
        for (int unit = 0; unit < units; unit++)
        {
            double[] correlations = Of(unit, moments[unit]);
            features[unit] = Ranked(correlations.Select((value, j) => (j, value)), UnitKind.Neuron, count);
            for (int j = 0; j < width; j++) Keep(columns[j], unit, correlations[j], count);
        }
        return (features, [.. columns.Select(column => Ranked(column, UnitKind.Feature, count))]);
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(rows);
        foreach (double[] array in new[] { products, sums, squares, shift }) state.WriteAll<double>(array);
    }

    internal void Load(BinaryReader state)
    {
        rows = state.ReadInt64();
        state.ReadAll<double>().CopyTo(products, 0);
        state.ReadAll<double>().CopyTo(sums, 0);
        state.ReadAll<double>().CopyTo(squares, 0);
        shift = state.ReadAll<double>();
    }

    private void AddRow(ReadOnlySpan<float> x, Span<double> about, int first, SparseCode code, int row)
    {
        TensorPrimitives.ConvertChecked(x, about);
        TensorPrimitives.Subtract(about, shift.AsSpan(first, x.Length), about);
        Span<double> sum = sums.AsSpan(first, x.Length), square = squares.AsSpan(first, x.Length);
        TensorPrimitives.Add(sum, about, sum);
        TensorPrimitives.MultiplyAdd<double>(about, about, square, square);
        ReadOnlySpan<int> fired = code.FeaturesOf(row);
        ReadOnlySpan<float> values = code.ValuesOf(row);
        for (int i = 0; i < fired.Length; i++)
        {
            Span<double> product = products.AsSpan((fired[i] * width) + first, x.Length);
            TensorPrimitives.MultiplyAdd<double>(about, values[i], product, product);
        }
    }

    private static ImmutableArray<NeighbourEvidence> Ranked(IEnumerable<(int Index, double Value)> all, UnitKind kind, int count) =>
    [
        .. all.Where(pair => pair.Value != 0).OrderByDescending(pair => Math.Abs(pair.Value)).ThenBy(pair => pair.Index).Take(count)
            .Select(pair => new NeighbourEvidence(Relation.Correlation, kind, pair.Index, pair.Value, null)),
    ];

    private static void Keep(List<(int Unit, double Value)> column, int unit, double value, int count)
    {
        if (value == 0 || count == 0 || (column.Count == count && Math.Abs(value) <= Math.Abs(column[^1].Value))) return;
        int place = column.Count;
        while (place > 0 && Math.Abs(column[place - 1].Value) < Math.Abs(value)) place--;
        column.Insert(place, (unit, value));
        if (column.Count > count) column.RemoveAt(count);
    }
}
