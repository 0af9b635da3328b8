using System.Collections.Immutable;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Features;

/// <summary>How the directions of a dictionary lie to each other.</summary>
public static class DecoderGeometry
{
    private const long BlockElements = 1 << 23;
    private const int WidestMap = 1024;

    /// <summary>The directions of largest cosine with each direction, itself left out.</summary>
    /// <param name="decoder">W_dec [d_sae, d_model].</param>
    /// <param name="count">How many to keep.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    /// <returns>One list for each direction, closest first, ties by index.</returns>
    public static ImmutableArray<ImmutableArray<NeighbourEvidence>> Nearest(Tensor decoder, int count, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        using var scope = NewDisposeScope();
        using var still = no_grad();
        Tensor unit = Unit(decoder), transposed = unit.t();
        long units = unit.shape[0], block = Math.Max(1, BlockElements / units);
        var nearest = ImmutableArray.CreateBuilder<ImmutableArray<NeighbourEvidence>>(checked((int)units));
        for (long start = 0; start < units; start += block)
        {
            cancellation.ThrowIfCancellationRequested();
            using var blockScope = NewDisposeScope();
            nearest.AddRange(Largest(unit.narrow(0, start, Math.Min(block, units - start)).mm(transposed).contiguous(), (int)start, count));
        }
        return nearest.MoveToImmutable();
    }

    /// <summary>
    /// Places of the directions on their first two principal components: W_dec with rows of length 1 and the mean row taken off,
    /// times the two leading eigenvectors of its covariance. The sign of each axis makes the largest coordinate positive.
    /// </summary>
    /// <param name="decoder">W_dec [d_sae, d_model].</param>
    /// <returns>A point for each direction; empty where d_model is above 1,024 or below 2.</returns>
    public static ImmutableArray<MapPoint> Map(Tensor decoder)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        int units = (int)decoder.shape[0], width = (int)decoder.shape[1];
        if (width is < 2 or > WidestMap || units < 2) return [];
        using var scope = NewDisposeScope();
        using var still = no_grad();
        Tensor unit = Unit(decoder), centred = (unit - unit.mean([0], keepdim: true)).to(ScalarType.Float64);
        double[] covariance = centred.t().mm(centred).contiguous().data<double>().ToArray();
        Evd<double> eigen = Matrix<double>.Build.Dense(width, width, covariance).Evd(Symmetricity.Symmetric);
        double[][] axes = [.. Enumerable.Range(1, 2).Select(i => eigen.EigenVectors.Column(width - i).ToArray())];
        double[][] places = [.. axes.Select(axis => Facing(centred.mv(tensor(axis, ScalarType.Float64)).data<double>().ToArray()))];
        return [.. Enumerable.Range(0, units).Select(i => new MapPoint(places[0][i], places[1][i]))];
    }

    private static Tensor Unit(Tensor decoder)
    {
        Tensor rows = decoder.detach().to(ScalarType.Float32, CPU);
        return rows / rows.norm(1, keepdim: true, p: 2f).clamp_min(1e-12);
    }

    private static double[] Facing(double[] places)
    {
        double largest = places.MaxBy(Math.Abs);
        return largest < 0 ? [.. places.Select(place => -place)] : places;
    }

    private static unsafe ImmutableArray<NeighbourEvidence>[] Largest(Tensor cosines, int start, int count)
    {
        int rows = (int)cosines.shape[0], units = (int)cosines.shape[1];
        float* values = (float*)TensorMemory.Address(cosines);
        var nearest = new ImmutableArray<NeighbourEvidence>[rows];
        Parallel.For(0, rows, row => nearest[row] = LargestOf(new ReadOnlySpan<float>(values + ((long)row * units), units), start + row, count));
        return nearest;
    }

    private static ImmutableArray<NeighbourEvidence> LargestOf(ReadOnlySpan<float> cosines, int self, int count)
    {
        var best = new List<(float Value, int Index)>(count + 1);
        float least = float.NegativeInfinity;
        for (int i = 0; i < cosines.Length && count > 0; i++)
        {
            if (i == self || !(cosines[i] > least)) continue;
            int place = best.Count;
            while (place > 0 && best[place - 1].Value < cosines[i]) place--;
            best.Insert(place, (cosines[i], i));
            if (best.Count > count) best.RemoveAt(count);
            if (best.Count == count) least = best[^1].Value;
        }
        return [.. best.Select(pair => new NeighbourEvidence(Relation.Cosine, UnitKind.Feature, pair.Index, pair.Value, null))];
    }
}
