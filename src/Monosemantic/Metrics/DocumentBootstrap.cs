using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics;

/// <summary>Numbers from the sums of some documents; NaN where one is undefined.</summary>
/// <param name="sums">The sums.</param>
internal delegate double[] NumbersOfSums(ReadOnlySpan<double> sums);

/// <summary>
/// Resamples documents while their sums stream by, in memory that does not grow: the Poisson bootstrap. In each resample a
/// document counts w times, w drawn from the Poisson distribution of mean 1, which is what drawing as many documents as there
/// are, with replacement, tends to. Sources: Chamandy et al. 2012; Efron and Tibshirani 1993.
/// </summary>
/// <remarks>
/// Documents, not tokens, are resampled: the tokens of a document resemble each other, and an interval that takes them for
/// independent is far too narrow. The weights depend on seed, resample and document alone, so that a document may come in parts,
/// and two dictionaries evaluated on the same documents are resampled alike.
/// </remarks>
/// <param name="width">Number of sums of a document.</param>
internal sealed class DocumentBootstrap(int width)
{
    /// <summary>Number of resamples.</summary>
    internal const int Resamples = 1000;

    /// <summary>Seed of the weights.</summary>
    internal const long Seed = 20;

    private const int BlockSize = 64, ResamplesToARange = 50;
    private readonly double[] block = new double[BlockSize * width];
    private readonly byte[] weights = new byte[BlockSize * Resamples];
    private readonly double[] resampled = new double[Resamples * width];
    private readonly int[] used = new int[BlockSize];
    private int filled;

    /// <summary>Documents added.</summary>
    public long Documents { get; private set; }

    /// <summary>Sums over all documents [width].</summary>
    public double[] Total { get; } = new double[width];

    /// <summary>Adds a document, or a part of one.</summary>
    /// <param name="document">Its index.</param>
    /// <param name="sums">Its sums [width].</param>
    public void Add(int document, ReadOnlySpan<double> sums)
    {
        Documents++;
        used[filled] = sums.LastIndexOfAnyExcept(0.0) + 1;
        sums.CopyTo(block.AsSpan(filled * width));
        AddScaled(sums[..used[filled]], 1, Total);
        PoissonWeights.Fill(document, weights.AsSpan(filled * Resamples, Resamples));
        if (++filled == BlockSize) Flush();
    }

    /// <summary>Sums over the documents of one resample [width].</summary>
    /// <param name="index">Which, 0 to <see cref="Resamples"/> - 1.</param>
    public ReadOnlySpan<double> Resample(int index)
    {
        Flush();
        return resampled.AsSpan(index * width, width);
    }

    /// <summary>Numbers from the sums, each with its interval.</summary>
    /// <param name="definitions">The numbers.</param>
    /// <param name="compute">Their values from sums of documents; NaN where undefined.</param>
    /// <param name="tokens">Tokens that were added.</param>
    /// <param name="split">Where the tokens come from.</param>
    public IReadOnlyDictionary<string, MetricValue> Numbers(ImmutableArray<MetricDefinition> definitions, NumbersOfSums compute, long tokens, string split)
    {
        double[] values = compute(Total);
        double[][] resamples = Documents < 2 ? [] : [.. Enumerable.Range(0, Resamples).Select(i => compute(Resample(i)))];
        var result = new Dictionary<string, MetricValue>();
        for (int i = 0; i < definitions.Length; i++)
        {
            Interval interval = resamples.Length == 0 ? Interval.None("all tokens are of one document") : Interval.Of([.. resamples.Select(sample => sample[i])]);
            result[definitions[i].Name] = MetricValue.Of(definitions[i], values[i], tokens, split, interval);
        }
        return result;
    }

    // Every resample goes through the block's documents in their order, so that threads change nothing.
    private void Flush()
    {
        if (filled == 0) return;
        Parallel.For(0, Resamples / ResamplesToARange, range =>
        {
            for (int i = range * ResamplesToARange; i < (range + 1) * ResamplesToARange; i++) AddBlock(i);
        });
        filled = 0;
    }

    // A stretch of sums stays in registers while all documents are added to it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddBlock(int resample)
    {
        Span<int> at = stackalloc int[BlockSize];
        Span<double> factors = stackalloc double[BlockSize];
        int count = 0, longest = 0;
        for (int document = 0; document < filled; document++)
        {
            byte weight = weights[(document * Resamples) + resample];
            if (weight == 0) continue;
            (at[count], factors[count++]) = (document * width, weight);
            longest = Math.Max(longest, used[document]);
        }
        Span<double> to = resampled.AsSpan(resample * width, longest);
        int lanes = Vector<double>.Count, j = 0;
        for (; j <= longest - (4 * lanes); j += 4 * lanes)
        {
            Vector<double> a = new(to[j..]), b = new(to[(j + lanes)..]), c = new(to[(j + (2 * lanes))..]), d = new(to[(j + (3 * lanes))..]);
            for (int document = 0; document < count; document++)
            {
                var factor = new Vector<double>(factors[document]);
                ReadOnlySpan<double> from = block.AsSpan(at[document] + j, 4 * lanes);
                a += factor * new Vector<double>(from);
                b += factor * new Vector<double>(from[lanes..]);
                c += factor * new Vector<double>(from[(2 * lanes)..]);
                d += factor * new Vector<double>(from[(3 * lanes)..]);
            }
            a.CopyTo(to[j..]);
            b.CopyTo(to[(j + lanes)..]);
            c.CopyTo(to[(j + (2 * lanes))..]);
            d.CopyTo(to[(j + (3 * lanes))..]);
        }
        for (; j < longest; j++)
        {
            for (int document = 0; document < count; document++) to[j] += factors[document] * block[at[document] + j];
        }
    }

    private static void AddScaled(ReadOnlySpan<double> from, double weight, Span<double> to)
    {
        var factor = new Vector<double>(weight);
        int lanes = Vector<double>.Count, j = 0;
        for (; j <= from.Length - lanes; j += lanes) (new Vector<double>(to[j..]) + (factor * new Vector<double>(from[j..]))).CopyTo(to[j..]);
        for (; j < from.Length; j++) to[j] += weight * from[j];
    }
}

/// <summary>How often a document counts in each resample.</summary>
internal static class PoissonWeights
{
    // The chance of at most w, in 32 bits.
    private static readonly uint[] Limits = Cumulative();

    /// <summary>Draws a weight for each resample, the same whenever the document is met.</summary>
    internal static void Fill(int document, Span<byte> weights)
    {
        var random = new SeededRandom(DocumentBootstrap.Seed, document);
        for (int i = 0; i < weights.Length; i += 2)
        {
            ulong bits = random.NextBits();
            weights[i] = Of((uint)bits);
            if (i + 1 < weights.Length) weights[i + 1] = Of((uint)(bits >> 32));
        }
    }

    private static byte Of(uint bits)
    {
        byte weight = 0;
        while (weight < Limits.Length && bits >= Limits[weight]) weight++;
        return weight;
    }

    private static uint[] Cumulative()
    {
        var limits = new uint[12];
        double sum = 0, chance = Math.Exp(-1);
        for (int w = 0; w < limits.Length; w++)
        {
            sum += chance;
            limits[w] = (uint)Math.Min(uint.MaxValue, sum * 4294967296.0);
            chance /= w + 1;
        }
        return limits;
    }
}
