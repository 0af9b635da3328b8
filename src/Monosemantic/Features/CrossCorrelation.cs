using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;

namespace Monosemantic.Features;

/// <summary>
/// Pearson correlation of every feature with every dimension of the hook point, streamed: sums of x, x^2 and f x over the rows,
/// x taken about the first row so that the digits last. Any split into batches gives the same bits.
/// </summary>
/// <remarks>
/// Dimensions are worked on sixteen at a time, by feature: the sixteen columns of some rows stay in the processor's second cache and a
/// feature's sixteen sums in registers, enough not to wait for each other, while its rows go by.
/// </remarks>
internal sealed unsafe class CrossCorrelation
{
    private const int Columns = 16, RowsAtOnce = 8192;
    private readonly int units, width, padded;
    private readonly double[] products;
    private readonly double[] sums;
    private readonly double[] squares;
    private readonly int[] starts;
    private int[] entryRows = [];
    private double[] entryValues = [];
    private double[] shift;
    private long rows;

    internal CrossCorrelation(int units, int width)
    {
        (this.units, this.width, padded) = (units, width, Padded(width));
        products = new double[(long)units * padded];
        (sums, squares, shift, starts) = (new double[padded], new double[padded], new double[padded], new int[units + 1]);
    }

    /// <summary>Numbers that it holds.</summary>
    internal static long Size(int units, int width) => (long)units * Padded(width);

    /// <summary>Adds rows; inserted tokens are left out.</summary>
    /// <param name="batch">Activations [n, width].</param>
    /// <param name="code">The features' activations [n, units].</param>
    internal void Add(ActivationBatch batch, SparseCode code)
    {
        int[] positions = batch.Positions;
        foreach (int[] kept in Enumerable.Range(0, batch.Rows).Where(row => positions[row] >= 0).Chunk(RowsAtOnce)) Add(batch, code, kept);
    }

    private void Add(ActivationBatch batch, SparseCode code, int[] kept)
    {
        if (rows == 0) System.Numerics.Tensors.TensorPrimitives.ConvertChecked<float, double>(batch.Row(kept[0]), shift);
        rows += kept.Length;
        ByUnit(code, kept);
        fixed (float* first = batch.Span)
        {
            nint x = (nint)first;
            Parallel.For(0, padded / Columns, task =>
            {
                double[] moved = ArrayPool<double>.Shared.Rent(kept.Length * Columns);
                AddColumns((float*)x, kept, task * Columns, moved);
                ArrayPool<double>.Shared.Return(moved);
            });
        }
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
            correlations[j] = ((products[((long)unit * padded) + j] / rows) - (moments.Mean * mean)) / (moments.Deviation * deviation);
        }
        return correlations;
    }

    /// <summary>The strongest correlations of either sign, from both sides.</summary>
    /// <param name="moments">Mean and standard deviation of each feature.</param>
    /// <param name="count">How many to keep.</param>
    internal (ImmutableArray<NeighbourEvidence>[] Features, ImmutableArray<NeighbourEvidence>[] Neurons) Strongest((double Mean, double Deviation)[] moments, int count)
    {
        var features = new ImmutableArray<NeighbourEvidence>[units];
        var neurons = new ImmutableArray<NeighbourEvidence>[width];
        var all = new double[(long)units * width];
        Parallel.For(0, units, unit =>
        {
            double[] correlations = Of(unit, moments[unit]);
            correlations.CopyTo(all, (long)unit * width);
            features[unit] = Ranked(width, j => correlations[j], UnitKind.Neuron, count);
        });
        Parallel.For(0, width, j => neurons[j] = Ranked(units, unit => all[((long)unit * width) + j], UnitKind.Feature, count));
        return (features, neurons);
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

    // Orders the entries of the kept rows by feature, each feature's by row: backwards, so that each end walks down to its start.
    private void ByUnit(SparseCode code, int[] kept)
    {
        Array.Clear(starts);
        foreach (int row in kept)
        {
            foreach (int unit in code.FeaturesOf(row)) starts[unit]++;
        }
        for (int unit = 0, sum = 0; unit <= units; unit++) starts[unit] = sum += starts[unit];
        if (entryRows.Length < starts[units]) (entryRows, entryValues) = (new int[starts[units]], new double[starts[units]]);
        for (int i = kept.Length - 1; i >= 0; i--)
        {
            ReadOnlySpan<int> fired = code.FeaturesOf(kept[i]);
            ReadOnlySpan<float> activations = code.ValuesOf(kept[i]);
            for (int entry = fired.Length - 1; entry >= 0; entry--)
            {
                int at = --starts[fired[entry]];
                (entryRows[at], entryValues[at]) = (i, activations[entry]);
            }
        }
    }

    private void AddColumns(float* x, int[] kept, int first, double[] about)
    {
        fixed (double* from = about, into = products, by = shift, sum = sums, square = squares)
        {
            if (width - first >= Columns) MoveWhole(x + first, kept, by + first, from, sum + first, square + first);
            else MoveLast(x + first, kept, by + first, from, sum + first, square + first);
            for (int unit = 0; unit < units; unit++) AddProducts(unit, from, into + ((long)unit * padded) + first);
        }
    }

    private void MoveWhole(float* x, int[] kept, double* by, double* about, double* sum, double* square)
    {
        for (int half = 0; half < Columns; half += Columns / 2) MoveHalf(x + half, kept, by + half, about + half, sum + half, square + half);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MoveHalf(float* x, int[] kept, double* by, double* about, double* sum, double* square)
    {
        Vector256<double> byLow = Vector256.Load(by), byHigh = Vector256.Load(by + 4), sumLow = Vector256.Load(sum), sumHigh = Vector256.Load(sum + 4);
        Vector256<double> squareLow = Vector256.Load(square), squareHigh = Vector256.Load(square + 4);
        for (int i = 0; i < kept.Length; i++, about += Columns)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Load(x + ((long)kept[i] * width)));
            (low, high) = (low - byLow, high - byHigh);
            low.Store(about);
            high.Store(about + 4);
            (sumLow, sumHigh) = (sumLow + low, sumHigh + high);
            (squareLow, squareHigh) = (squareLow + (low * low), squareHigh + (high * high));
        }
        sumLow.Store(sum);
        sumHigh.Store(sum + 4);
        squareLow.Store(square);
        squareHigh.Store(square + 4);
    }

    // The dimensions behind the last whole sixteen; the rest of their sixteen stays 0.
    private void MoveLast(float* x, int[] kept, double* by, double* about, double* sum, double* square)
    {
        int count = width % Columns;
        for (int i = 0; i < kept.Length; i++, about += Columns)
        {
            float* row = x + ((long)kept[i] * width);
            for (int j = 0; j < Columns; j++)
            {
                double moved = about[j] = j < count ? row[j] - by[j] : 0;
                sum[j] += moved;
                square[j] += moved * moved;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddProducts(int unit, double* about, double* into)
    {
        int end = starts[unit + 1];
        if (starts[unit] == end) return;
        Vector256<double> first = Vector256.Load(into), second = Vector256.Load(into + 4), third = Vector256.Load(into + 8), fourth = Vector256.Load(into + 12);
        for (int entry = starts[unit]; entry < end; entry++)
        {
            Vector256<double> value = Vector256.Create(entryValues[entry]);
            double* row = about + ((long)entryRows[entry] * Columns);
            first = Vector256.FusedMultiplyAdd(value, Vector256.Load(row), first);
            second = Vector256.FusedMultiplyAdd(value, Vector256.Load(row + 4), second);
            third = Vector256.FusedMultiplyAdd(value, Vector256.Load(row + 8), third);
            fourth = Vector256.FusedMultiplyAdd(value, Vector256.Load(row + 12), fourth);
        }
        first.Store(into);
        second.Store(into + 4);
        third.Store(into + 8);
        fourth.Store(into + 12);
    }

    private static ImmutableArray<NeighbourEvidence> Ranked(int candidates, Func<int, double> valueOf, UnitKind kind, int count)
    {
        var strongest = new LargestFew(count);
        for (int i = 0; i < candidates; i++)
        {
            if (valueOf(i) is var value && value != 0) strongest.Offer(i, Math.Abs(value));
        }
        var ranked = ImmutableArray.CreateBuilder<NeighbourEvidence>(count);
        foreach ((int index, _, _) in strongest.Kept) ranked.Add(new(Relation.Correlation, kind, index, valueOf(index), null));
        return ranked.ToImmutable();
    }

    private static int Padded(int width) => (width + Columns - 1) / Columns * Columns;
}
