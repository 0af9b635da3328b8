using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

/// <summary>Rows for metrics, by hand or at random.</summary>
internal static class RowData
{
    internal const int Width = 13, DSae = 40;

    /// <summary>Rows with given values; the code is empty unless given.</summary>
    internal static MetricRows Of(int width, float[] x, float[] y, int[]? documents = null, float[]? shift = null, SparseCode? code = null)
    {
        int rows = x.Length / width;
        return new MetricRows
        {
            Rows = rows,
            DModel = width,
            X = x,
            Reconstruction = y,
            Code = code ?? Code(rows, 4, [.. Enumerable.Repeat(Array.Empty<(int, float)>(), rows)]),
            Documents = documents ?? [.. Enumerable.Range(0, rows)],
            Shift = shift ?? new float[width],
        }.ComputeMoments();
    }

    /// <summary>A code from each row's features and activations.</summary>
    internal static SparseCode Code(int rows, int dSae, IReadOnlyList<(int Feature, float Value)[]> entries)
    {
        int[] offsets = new int[rows + 1];
        for (int row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + entries[row].Length;
        return new SparseCode { Rows = rows, DSae = dSae, RowOffsets = offsets, Features = [.. entries.SelectMany(row => row).Select(entry => entry.Feature)], Values = [.. entries.SelectMany(row => row).Select(entry => entry.Value)] };
    }

    /// <summary>Random rows about a mean away from 0, in documents of uneven length, with a code.</summary>
    internal static MetricRows Random(int rows, long seed = 3)
    {
        var random = new SeededRandom(seed);
        float[] x = [.. Enumerable.Range(0, rows * Width).Select(_ => (float)(5 + random.NextNormal()))];
        float[] y = [.. x.Select(value => (float)(value + (0.3 * random.NextNormal())))];
        int[] documents = new int[rows];
        for (int row = 1; row < rows; row++) documents[row] = documents[row - 1] + (random.Next(5) == 0 ? 1 : 0);
        (int, float)[][] entries = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, DSae).Where(feature => random.Next(DSae) < 6 && feature % 7 != 0).Select(feature => (feature, (float)(0.1 + random.NextDouble()))).ToArray())];
        return Of(Width, x, y, documents, [.. Enumerable.Repeat(5f, Width)], Code(rows, DSae, entries));
    }

    /// <summary>Rows [start, end) as a batch of their own.</summary>
    internal static MetricRows Part(MetricRows rows, int start, int end)
    {
        (int, float)[][] entries = [.. Enumerable.Range(start, end - start).Select(row => rows.Code!.FeaturesOf(row).ToArray().Zip(rows.Code.ValuesOf(row).ToArray()).ToArray())];
        return Of(rows.DModel, rows.X[(start * rows.DModel)..(end * rows.DModel)], rows.Reconstruction[(start * rows.DModel)..(end * rows.DModel)], rows.Documents[start..end], rows.Shift, Code(end - start, rows.Code!.DSae, entries));
    }

    /// <summary>The numbers of one metric over rows.</summary>
    internal static IReadOnlyDictionary<string, MetricValue> Numbers(Metric metric, params MetricRows[] batches)
    {
        var sums = new DocumentSums([metric]);
        foreach (MetricRows batch in batches) sums.Add(batch, batch.Rows);
        return sums.Compute("held_out");
    }
}
