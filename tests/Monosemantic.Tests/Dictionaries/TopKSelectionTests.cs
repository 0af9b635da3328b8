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
        var used = new TopKSelection(8, 400, rectify: true);
        for (int i = 0; i < 200; i++)
        {
            float scale = MathF.Pow(10, random.Next(-3, 4));
            float[] row = [.. Enumerable.Range(0, 400).Select(_ => scale * (random.NextSingle() - (i % 7 / 6f)))];

            Assert.Equal(Run(new TopKSelection(8, 400, rectify: true), row, new float[400], 8).Indices, Run(used, row, new float[400], 8).Indices);
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

    private static void AssertEqualToSort(float[] row, int k, bool rectify)
    {
        int[] expected = [.. Enumerable.Range(0, row.Length).Where(i => !rectify || row[i] > 0).OrderByDescending(i => row[i]).ThenBy(i => i).Take(k).Order()];

        (int[] indices, float[] values) = Select(row, new float[row.Length], k, rectify);

        Assert.Equal(expected, indices);
        Assert.Equal(expected.Select(i => row[i]), values);
    }

    private static (int[] Indices, float[] Values) Select(float[] row, float[] bias, int k, bool rectify) =>
        Run(new TopKSelection(k, row.Length, rectify), row, bias, k);

    private static (int[] Indices, float[] Values) Run(TopKSelection selection, float[] row, float[] bias, int k)
    {
        int[] indices = new int[k];
        float[] values = new float[k];
        fixed (float* rowAt = row, biasAt = bias, valuesAt = values)
        fixed (int* indicesAt = indices)
        {
            int count = selection.Select(rowAt, biasAt, row.Length, indicesAt, valuesAt);
            return (indices[..count], values[..count]);
        }
    }
}
