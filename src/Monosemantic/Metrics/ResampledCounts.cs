using System.Numerics;
using System.Runtime.CompilerServices;
using Monosemantic.Dictionaries;

namespace Monosemantic.Metrics;

/// <summary>
/// Counts of many things at once, such as the firings of each feature, over all documents and over 200 resamples of them, with the
/// same document weights as elsewhere; 4 bytes for each thing and resample.
/// </summary>
/// <remarks>
/// A resample misses documents and with them what is rare, and scatters counts about a threshold, so that resampled shares are off
/// to one side; an interval is their spread about the value: <see cref="Interval.About"/>.
/// </remarks>
/// <param name="width">Number of things.</param>
internal sealed class ResampledCounts(int width)
{
    /// <summary>Number of resamples.</summary>
    internal const int Resamples = 200;

    // Documents are added to the resamples a block at a time: one reading and writing of a thing's resamples for all of them.
    private const int BlockSize = 32, ThingsToARange = 128;

    private readonly long[] totals = new long[width], documents = new long[width];
    private readonly float[] resampled = new float[(long)width * Resamples];
    private readonly int[] counts = new int[BlockSize * width];
    private readonly bool[] seen = new bool[width];
    private readonly int[] touched = new int[width];
    private readonly byte[] weights = new byte[Resamples];
    private readonly float[] factors = new float[BlockSize * Resamples];
    private int touchedCount, closed;

    /// <summary>Count of each thing over all closed documents [width].</summary>
    internal ReadOnlySpan<long> Totals
    {
        get
        {
            Flush();
            return totals;
        }
    }

    /// <summary>Closed documents in which each thing was counted [width].</summary>
    internal ReadOnlySpan<long> Documents
    {
        get
        {
            Flush();
            return documents;
        }
    }

    /// <summary>Counts a thing once more in the open document.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(int thing)
    {
        counts[(closed * width) + thing]++;
        if (seen[thing]) return;
        seen[thing] = true;
        touched[touchedCount++] = thing;
    }

    /// <summary>A count over one resample of the closed documents.</summary>
    internal double Resampled(int thing, int resample)
    {
        Flush();
        return resampled[((long)thing * Resamples) + resample];
    }

    /// <summary>Ends the open document.</summary>
    /// <param name="document">Its index.</param>
    /// <returns>How often it counts in each resample; valid until the next call.</returns>
    internal ReadOnlySpan<float> Close(int document)
    {
        PoissonWeights.Fill(document, weights);
        Span<float> own = factors.AsSpan(closed * Resamples, Resamples);
        for (int i = 0; i < Resamples; i++) own[i] = weights[i];
        if (++closed == BlockSize) Flush();
        return own;
    }

    // What the open document counted goes into the next block.
    private void Flush()
    {
        if (closed == 0) return;
        ParallelRanges.For(touchedCount, ThingsToARange, ParallelRanges.Threads(0), Flush);
        int open = closed < BlockSize ? closed * width : -1, kept = 0;
        foreach (int thing in touched.AsSpan(0, touchedCount))
        {
            seen[thing] = open >= 0 && counts[open + thing] > 0;
            if (!seen[thing]) continue;
            (counts[thing], counts[open + thing]) = (counts[open + thing], 0);
            touched[kept++] = thing;
        }
        (touchedCount, closed) = (kept, 0);
    }

    // In the order of the documents, so that the size of a block changes no bit.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Flush(int start, int end)
    {
        Span<int> present = stackalloc int[BlockSize];
        Span<float> amounts = stackalloc float[BlockSize];
        foreach (int thing in touched.AsSpan(start, end - start))
        {
            int found = 0;
            for (int document = 0; document < closed; document++)
            {
                ref int count = ref counts[(document * width) + thing];
                if (count == 0) continue;
                (present[found], amounts[found++]) = (document * Resamples, count);
                totals[thing] += count;
                documents[thing]++;
                count = 0;
            }
            AddScaled(present[..found], amounts, resampled.AsSpan(thing * Resamples, Resamples));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddScaled(ReadOnlySpan<int> at, ReadOnlySpan<float> amounts, Span<float> to)
    {
        int lanes = Vector<float>.Count, i = 0;
        for (; i <= Resamples - lanes; i += lanes)
        {
            var sum = new Vector<float>(to[i..]);
            for (int j = 0; j < at.Length; j++) sum += new Vector<float>(amounts[j]) * new Vector<float>(factors, at[j] + i);
            sum.CopyTo(to[i..]);
        }
        for (; i < Resamples; i++)
        {
            for (int j = 0; j < at.Length; j++) to[i] += amounts[j] * factors[at[j] + i];
        }
    }
}
