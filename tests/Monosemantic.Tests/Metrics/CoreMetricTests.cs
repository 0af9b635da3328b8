using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

/// <summary>Closed forms: every core metric on rows small enough to do by hand.</summary>
public sealed class CoreMetricTests
{
    // x = (1,0), (3,0), (0,4); x_hat = (1,0), (2,0), (0,0).
    private static readonly MetricRows Example = RowData.Of(2, [1, 0, 3, 0, 0, 4], [1, 0, 2, 0, 0, 0]);

    [Fact]
    public void Reconstruction_of_a_worked_example()
    {
        IReadOnlyDictionary<string, MetricValue> numbers = RowData.Numbers(new ReconstructionError(2), Example);
        // Errors 0, 1, 16; mean (4/3, 4/3), squared distances 17/9, 41/9, 80/9.
        Close(17.0 / 3, numbers["mse_per_vector"]);
        Close(17.0 / 6, numbers["mse_per_element"]);
        Close(17 / (138.0 / 9), numbers["fvu"]);
        Close(1 - (17 / (138.0 / 9)), numbers["explained_variance"]);
        Assert.Equal((3L, "held_out"), (numbers["fvu"].Tokens, numbers["fvu"].Split));
    }

    [Fact]
    public void The_legacy_variant_averages_the_tokens_own_ratios()
    {
        MetricRows rows = RowData.Of(2, [1, 0, 3, 0, 0, 4, 1, 1], [1, 0, 2, 0, 0, 0, 7, 7], shift: [1, 1]);
        // 1 - 0/1, 1 - 1/5, 1 - 16/10; the last token is the mean itself.
        Close((1 + 0.8 - 0.6) / 3, RowData.Numbers(new LegacyExplainedVariance(true), rows)["explained_variance_legacy"]);
        MetricValue unknown = RowData.Numbers(new LegacyExplainedVariance(false), rows)["explained_variance_legacy"];
        Assert.Equal((null, "the mean of the store is not known"), (unknown.Value, unknown.Undefined));
    }

    [Fact]
    public void Cosine_and_lengths_of_a_worked_example()
    {
        Close(1, RowData.Numbers(new CosineSimilarity(), Example)["cosine_similarity"]);
        Close(0.6, RowData.Numbers(new CosineSimilarity(), RowData.Of(2, [1, 0], [3, 4]))["cosine_similarity"]);
        IReadOnlyDictionary<string, MetricValue> norms = RowData.Numbers(new Norms(), Example);
        Close(8.0 / 3, norms["l2_norm_in"]);
        Close(1, norms["l2_norm_out"]);
        Close((1 + (2.0 / 3)) / 3, norms["l2_ratio"]);
        Close(5.0 / 7, norms["relative_reconstruction_bias"]);
    }

    [Fact]
    public void Sparsity_of_a_worked_example()
    {
        MetricRows rows = RowData.Of(1, new float[5], new float[5], code: RowData.Code(5, 4, [[(0, 1f)], [], [(0, 2f), (2, 0.5f), (3, 1f)], [(2, 4f)], [(1, 0f), (2, 1f)]]));
        IReadOnlyDictionary<string, MetricValue> numbers = RowData.Numbers(new Sparsity(4), rows);
        Close(6.0 / 5, numbers["l0"]);
        Close(9.5 / 5, numbers["l1"]);
        Close(1, numbers["l0_median"]);
        Close(0, numbers["l0_p05"]);
        Close(3, numbers["l0_p95"]);
    }

    [Fact]
    public void Densities_of_a_worked_example()
    {
        // 200 tokens: feature 0 on all of them, feature 1 on 10 (5 %), feature 2 on 1 (0.5 %), feature 3 never.
        var density = new FeatureDensity(4);
        (int, float)[][] entries = [.. Enumerable.Range(0, 200).Select(row => Enumerable.Range(0, 3).Where(feature => feature == 0 || (feature == 1 && row % 20 == 0) || (feature == 2 && row == 7)).Select(feature => (feature, 1f)).ToArray())];
        density.Add(RowData.Of(1, new float[200], new float[200], [.. Enumerable.Range(0, 200).Select(row => row / 50)], code: RowData.Code(200, 4, entries)), 200);
        IReadOnlyDictionary<string, MetricValue> numbers = density.Compute("held_out");
        Close(0.25, numbers["dead_fraction"]);
        Close(0.75, numbers["alive_fraction"]);
        Close(0.5, numbers["dense_fraction_over_1_percent"]);
        Close(0.25, numbers["dense_fraction_over_10_percent"]);
        Close(210.0 / 211, numbers["firings_of_dense_over_1_percent"]);
        Close(200.0 / 211, numbers["firings_of_dense_over_10_percent"]);
        Assert.Equal([200, 10, 1, 0], density.Firings.ToArray());
        Assert.Equal([4, 4, 1, 0], density.DocumentsFired.ToArray());
        DensityHistogram histogram = density.Histogram();
        Assert.Equal((3, 1), (histogram.Counts.Sum(), histogram.Never));
        Assert.Equal(1, histogram.Counts[(int)Math.Floor((Math.Log10(0.05) - histogram.From) / histogram.BinWidth)]);
    }

    [Fact]
    public void Features_that_share_tokens_are_found()
    {
        var metric = new Cooccurrence(3);
        // 0 and 1 share two of three tokens; 2 fires alone.
        metric.Add(RowData.Of(1, new float[4], new float[4], code: RowData.Code(4, 3, [[(0, 1f), (1, 1f)], [(0, 1f), (1, 1f)], [(0, 1f)], [(2, 1f)]])), 4);
        Close(((2.0 / 3) + (2.0 / 3) + 0) / 3, metric.Compute("held_out")["cooccurrence_max_jaccard"]);
    }

    [Fact]
    public void A_mean_far_larger_than_the_spread_costs_no_digits()
    {
        const int width = 16, rows = 4096;
        var random = new SeededRandom(2);
        // Multiples of 1/8 near a million: exact in float32, while their squares lose the spread even in float64's last digits.
        float[] x = [.. Enumerable.Range(0, rows * width).Select(_ => 1e6f + (MathF.Round((float)((random.NextDouble() * 64) - 32)) / 8))];
        float[] y = [.. x.Select((value, i) => value + (i % 2 == 0 ? 0.125f : -0.125f))];
        decimal variance = 0;
        for (int j = 0; j < width; j++)
        {
            decimal[] column = [.. Enumerable.Range(0, rows).Select(row => (decimal)(double)x[(row * width) + j])];
            decimal mean = column.Average();
            variance += column.Sum(value => (value - mean) * (value - mean)) / rows;
        }
        Close((double)(width / 64m / variance), RowData.Numbers(new ReconstructionError(width), RowData.Of(width, x, y, shift: x[..width]))["fvu"]);
    }

    [Fact]
    public void What_does_not_vary_has_no_explained_variance()
    {
        MetricRows rows = RowData.Of(2, [0.1f, 0.3f, 0.1f, 0.3f, 0.1f, 0.3f], [1, 1, 1, 1, 1, 1], shift: [0.7f, -0.9f]);
        MetricValue fvu = RowData.Numbers(new ReconstructionError(2), rows)["fvu"];
        Assert.Null(fvu.Value);
        Assert.Contains("do not vary", fvu.Undefined);
    }

    private static void Close(double expected, MetricValue number)
    {
        Assert.NotNull(number.Value);
        Assert.Equal(expected, number.Value.Value, 12);
    }
}
