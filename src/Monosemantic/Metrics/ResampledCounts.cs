using System.Numerics;

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

    private readonly long[] totals = new long[width], documents = new long[width];
    private readonly float[] resampled = new float[(long)width * Resamples];
    private readonly int[] open = new int[width];
    private readonly List<int> touched = [];
    private readonly byte[] weights = new byte[Resamples];
    private readonly float[] factors = new float[Resamples];

    /// <summary>Count of each thing over all closed documents [width].</summary>
    internal ReadOnlySpan<long> Totals => totals;

    /// <summary>Documents in which each thing was counted [width].</summary>
    internal ReadOnlySpan<long> Documents => documents;

    /// <summary>Counts a thing once more in the open document.</summary>
    internal void Add(int thing)
    {
        if (open[thing]++ == 0) touched.Add(thing);
    }

    /// <summary>A count over one resample of the documents.</summary>
    internal double Resampled(int thing, int resample) => resampled[((long)thing * Resamples) + resample];

    /// <summary>Ends the open document.</summary>
    /// <param name="document">Its index.</param>
    /// <returns>How often it counts in each resample; valid until the next call.</returns>
    internal ReadOnlySpan<float> Close(int document)
    {
        PoissonWeights.Fill(document, weights);
        for (int i = 0; i < Resamples; i++) factors[i] = weights[i];
        foreach (int thing in touched)
        {
            AddScaled(open[thing], resampled.AsSpan(thing * Resamples, Resamples));
            totals[thing] += open[thing];
            documents[thing]++;
            open[thing] = 0;
        }
        touched.Clear();
        return factors;
    }

    private void AddScaled(float count, Span<float> to)
    {
        var factor = new Vector<float>(count);
        int lanes = Vector<float>.Count, i = 0;
        for (; i <= Resamples - lanes; i += lanes) (new Vector<float>(to[i..]) + (factor * new Vector<float>(factors, i))).CopyTo(to[i..]);
        for (; i < Resamples; i++) to[i] += count * factors[i];
    }
}
