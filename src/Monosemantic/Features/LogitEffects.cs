using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Monosemantic.Runtime;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Monosemantic.Features;

/// <summary>Which tokens a unit's direction makes more and less likely.</summary>
/// <param name="Promoted">Largest effects first, all above 0.</param>
/// <param name="Suppressed">Smallest effects first, all below 0.</param>
/// <param name="Histogram">Effects on the whole vocabulary, counted; null where they were not.</param>
public sealed record UnitLogits(ImmutableArray<LogitEffect> Promoted, ImmutableArray<LogitEffect> Suppressed, LogitHistogram? Histogram = null)
{
    /// <summary>No effect known.</summary>
    public static UnitLogits None { get; } = new([], []);
}

/// <summary>
/// Direct effect of directions in the residual stream on the logits, past all later blocks.
/// <code>
/// effect_t = sum_j (w_j - mean w) g_j (U_tj - mean_t U_tj)     w: direction, g: final norm's weight, U: unembedding
/// </code>
/// </summary>
/// <remarks>
/// The final norm is taken as its linear part: centring (a layer norm's; not an RMS norm's) and weight. Its division by the
/// residual stream's size differs from token to token and is left out, so effects compare within a model, not between
/// models. The mean over the vocabulary is taken off since softmax does not see it. What later blocks do is not in it.
/// </remarks>
public static class LogitEffects
{
    private const long BlockElements = 1 << 22;
    private const int Bins = 50;

    /// <summary>Strongest effects of each direction.</summary>
    /// <param name="directions">Directions of the residual stream [n, d_model]: decoder rows, unit vectors, or rows of an MLP's output matrix.</param>
    /// <param name="unembedding">[vocabulary, d_model].</param>
    /// <param name="normWeight">Weight of the final norm [d_model]; null for none.</param>
    /// <param name="centred">Whether the final norm subtracts the mean, as a layer norm does.</param>
    /// <param name="count">Tokens to keep on either side.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    /// <returns>One for each direction; ties by token id.</returns>
    public static ImmutableArray<UnitLogits> Of(Tensor directions, Tensor unembedding, Tensor? normWeight, bool centred = true, int count = 10, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(directions);
        ArgumentNullException.ThrowIfNull(unembedding);
        if (directions.dim() != 2 || unembedding.dim() != 2 || directions.shape[1] != unembedding.shape[1])
        {
            throw new ArgumentException($"directions [{string.Join(", ", directions.shape)}] against an unembedding [{string.Join(", ", unembedding.shape)}]", nameof(directions));
        }
        using var scope = NewDisposeScope();
        using var still = no_grad();
        Tensor read = unembedding - unembedding.mean([0], keepdim: true);
        if (normWeight is not null) read = read * normWeight;
        Tensor readout = read.t();
        long units = directions.shape[0], block = Math.Max(1, BlockElements / unembedding.shape[0]);
        var effects = ImmutableArray.CreateBuilder<UnitLogits>(checked((int)units));
        for (long start = 0; start < units; start += block)
        {
            cancellation.ThrowIfCancellationRequested();
            using var blockScope = NewDisposeScope();
            Tensor rows = directions.narrow(0, start, Math.Min(block, units - start));
            if (centred) rows = rows - rows.mean([1], keepdim: true);
            effects.AddRange(Strongest(rows.mm(readout), count));
        }
        return effects.MoveToImmutable();
    }

    private static unsafe UnitLogits[] Strongest(Tensor logits, int count)
    {
        int units = (int)logits.shape[0], vocabulary = (int)logits.shape[1];
        using Tensor dense = logits.contiguous();
        float* values = (float*)TensorMemory.Address(dense);
        var effects = new UnitLogits[units];
        Parallel.For(0, units, unit =>
        {
            var row = new ReadOnlySpan<float>(values + ((long)unit * vocabulary), vocabulary);
            effects[unit] = new(Extremes(row, count, 1), Extremes(row, count, -1), Counted(row));
        });
        return effects;
    }

    // These two run over the whole vocabulary once for each unit, and are compiled at their best at once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static LogitHistogram Counted(ReadOnlySpan<float> values)
    {
        float low = TensorPrimitives.Min(values), high = TensorPrimitives.Max(values);
        var counts = new int[Bins];
        double perUnit = high > low ? Bins / ((double)high - low) : 0;
        foreach (float value in values) counts[Math.Clamp((int)(((double)value - low) * perUnit), 0, Bins - 1)]++;
        return new(low, high, ImmutableArray.Create(counts));
    }

    // The largest of sign * value above 0, ties by token id.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ImmutableArray<LogitEffect> Extremes(ReadOnlySpan<float> values, int count, int sign)
    {
        var best = new List<(float Value, int Token)>(count + 1);
        float least = 0;
        for (int token = 0; token < values.Length && count > 0; token++)
        {
            float value = sign * values[token];
            if (!(value > least)) continue;
            int place = best.Count;
            while (place > 0 && best[place - 1].Value < value) place--;
            best.Insert(place, (value, token));
            if (best.Count > count) best.RemoveAt(count);
            if (best.Count == count) least = best[^1].Value;
        }
        return [.. best.Select(effect => new LogitEffect(effect.Token, sign * (double)effect.Value))];
    }
}
