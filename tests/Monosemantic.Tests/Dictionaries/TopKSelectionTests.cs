using Monosemantic.Dictionaries;

namespace Monosemantic.Tests.Dictionaries;

public sealed unsafe class TopKSelectionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 3)]
    [InlineData(31, 31)]
    [InlineData(32, 5)]
    [InlineData(300, 300)]
    [InlineData(1000, 1)]
    [InlineData(5000, 32)]
    [InlineData(5000, 700)]
    public void Selection_equals_a_full_sort(int width, int k)
    {
        var random = new Random(width + k);
        foreach (int levels in new[] { 3, 50, 1 << 20 })
        {
            foreach (bool rectify in new[] { true, false })
            {
                float[] row = [.. Enumerable.Range(0, width).Select(_ => (random.Next(levels) / (float)levels) - 0.5f)];
                AssertEqualToSort(row, k, rectify);
                AssertEqualToSort([.. row.Order()], k, rectify);
                AssertEqualToSort([.. row.OrderDescending()], k, rectify);
            }
        }
    }

    [Fact]
    public void A_row_selects_the_same_whatever_rows_came_before()
    {
        var random = new Random(5);
        float[] bias = GC.AllocateArray<float>(400, pinned: true);
        fixed (float* biasAt = bias) Compare((nint)biasAt, random);
    }

    private static void Compare(nint bias, Random random)
    {
        var used = new TopKSelection<PlainKey>(new(bias), 8, 400, rectify: true);
        for (int i = 0; i < 200; i++)
        {
            float scale = MathF.Pow(10, random.Next(-3, 4));
            float[] row = [.. Enumerable.Range(0, 400).Select(_ => scale * (random.NextSingle() - (i % 7 / 6f)))];

            Assert.Equal(Run(new TopKSelection<PlainKey>(new(bias), 8, 400, rectify: true), row).Indices, Run(used, row).Indices);
        }
    }

    [Fact]
    public void Nothing_is_selected_from_negative_values_or_NaN()
    {
        float[] row = [-1f, float.NaN, 0f, -2f];

        Assert.Empty(Select(row, new float[4], 2, rectify: true).Indices);
    }

    [Fact]
    public void Bias_decides_along_with_the_product()
    {
        (int[] indices, float[] values) = Select([1f, 2f, 3f], [5f, 0f, 0f], 2, rectify: true);

        Assert.Equal([0, 2], indices);
        Assert.Equal([6f, 3f], values);
    }

    [Theory]
    [InlineData(5, true)]
    [InlineData(64, false)]
    [InlineData(300, true)]
    public void A_row_in_stretches_selects_what_the_whole_row_does(int k, bool rectify)
    {
        var random = new Random(7);
        float[] bias = [.. Enumerable.Range(0, 900).Select(_ => random.NextSingle() - 0.5f)];
        fixed (float* biasAt = bias)
        {
            var used = new TopKSelection<PlainKey>(new((nint)biasAt), k, 900, rectify);
            for (int i = 0; i < 100; i++)
            {
                // Few values, so that there are ties across stretches.
                float[] row = [.. Enumerable.Range(0, 900).Select(_ => (i % 2 == 0 ? random.Next(-4, 5) : random.NextSingle()) * 0.25f)];
                int[] cuts = [0, .. Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(0, 900)).Order(), 900];
                var entries = new TileEntries();
                float bar = float.NegativeInfinity;
                fixed (float* rowAt = row) foreach ((int first, int end) in cuts.Zip(cuts.Skip(1))) used.Select(rowAt, first, end, ref bar, entries);
                if (entries.Count > used.Most) used.Narrow(entries, 0);
                (int[] indices, float[] values) = Run(new TopKSelection<PlainKey>(new((nint)biasAt), k, 900, rectify), row);
                Assert.Equal(indices, new ReadOnlySpan<int>(entries.Features, entries.Count));
                Assert.Equal(values, new ReadOnlySpan<float>(entries.Values, entries.Count));
            }
        }
    }

    private static void AssertEqualToSort(float[] row, int k, bool rectify)
    {
        int[] expected = [.. Enumerable.Range(0, row.Length).Where(i => !rectify || row[i] > 0).OrderByDescending(i => row[i]).ThenBy(i => i).Take(k).Order()];

        (int[] indices, float[] values) = Select(row, new float[row.Length], k, rectify);

        Assert.Equal(expected, indices);
        Assert.Equal(expected.Select(i => row[i]), values);
    }

    private static (int[] Indices, float[] Values) Select(float[] row, float[] bias, int k, bool rectify)
    {
        fixed (float* biasAt = bias) return Run(new TopKSelection<PlainKey>(new((nint)biasAt), k, row.Length, rectify), row);
    }

    private static (int[] Indices, float[] Values) Run(RowSelector selection, float[] row)
    {
        var entries = new TileEntries();
        float bar = float.NegativeInfinity;
        fixed (float* rowAt = row) selection.Select(rowAt, 0, row.Length, ref bar, entries);
        return ([.. new ReadOnlySpan<int>(entries.Features, entries.Count)], [.. new ReadOnlySpan<float>(entries.Values, entries.Count)]);
    }
}
