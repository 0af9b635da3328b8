using System.Collections.Immutable;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

public sealed class DocumentBootstrapTests
{
    private static readonly ImmutableArray<MetricDefinition> Mean = [new("mean", "", Better.Neither, "sum / n", "none")];

    [Fact]
    public void Weights_have_mean_and_variance_of_one()
    {
        byte[] weights = new byte[DocumentBootstrap.Resamples];
        double sum = 0, square = 0, none = 0, count = 0;
        for (int document = 0; document < 300; document++)
        {
            PoissonWeights.Fill(document, weights);
            foreach (byte weight in weights) (sum, square, none, count) = (sum + weight, square + (weight * weight), none + (weight == 0 ? 1 : 0), count + 1);
        }
        // Standard errors are about 0.002, 0.003 and 0.001.
        Assert.Equal(1, sum / count, 0.01);
        Assert.Equal(1, (square / count) - Math.Pow(sum / count, 2), 0.015);
        Assert.Equal(Math.Exp(-1), none / count, 0.005);
    }

    [Fact]
    public void The_interval_of_a_mean_is_that_of_the_central_limit()
    {
        var random = new SeededRandom(5);
        double[] values = [.. Enumerable.Range(0, 400).Select(_ => random.NextNormal())];
        MetricValue number = Measure(values.Select((value, i) => (i, value, 1)));
        double deviation = Math.Sqrt(values.Sum(value => Math.Pow(value - values.Average(), 2)) / 400), half = 1.96 * deviation / 20;
        Assert.Equal(values.Average(), number.Value!.Value, 12);
        Assert.Equal(values.Average() - half, number.Low!.Value, 0.012);
        Assert.Equal(values.Average() + half, number.High!.Value, 0.012);
    }

    [Fact]
    public void Tokens_of_one_document_do_not_narrow_the_interval()
    {
        var random = new SeededRandom(6);
        double[] values = [.. Enumerable.Range(0, 200).Select(_ => random.NextNormal())];
        MetricValue single = Measure(values.Select((value, i) => (i, value, 1))), repeated = Measure(values.Select((value, i) => (i, value, 50)));
        Assert.Equal(single.High!.Value - single.Low!.Value, repeated.High!.Value - repeated.Low!.Value, 9);
    }

    [Fact]
    public void A_document_may_come_in_parts()
    {
        var whole = new DocumentBootstrap(2);
        var parts = new DocumentBootstrap(2);
        for (int document = 0; document < 150; document++) whole.Add(document, [document * 0.25, 2]);
        for (int part = 0; part < 2; part++)
        {
            for (int document = 149; document >= 0; document--) parts.Add(document, [document * 0.125, 1]);
        }
        Assert.All(Enumerable.Range(0, DocumentBootstrap.Resamples), i => Assert.Equal(whole.Resample(i).ToArray(), parts.Resample(i).ToArray()));
    }

    [Fact]
    public void Intervals_cover_the_truth_about_as_often_as_they_say()
    {
        int covered = 0;
        for (int trial = 0; trial < 200; trial++)
        {
            var random = new SeededRandom(trial, 9);
            MetricValue number = Measure(Enumerable.Range(trial * 1000, 80).Select(i => (i, random.NextNormal(), 1)));
            if (number.Low <= 0 && 0 <= number.High) covered++;
        }
        // 95 % of 200 with a standard error of 3; percentile intervals of 80 documents are a little narrow.
        Assert.InRange(covered, 178, 200);
    }

    private static MetricValue Measure(IEnumerable<(int Document, double Mean, int Tokens)> documents)
    {
        var bootstrap = new DocumentBootstrap(2);
        foreach ((int document, double mean, int tokens) in documents) bootstrap.Add(document, [mean * tokens, tokens]);
        return bootstrap.Numbers(Mean, sums => [sums[0] / sums[1]], 1, "held_out")["mean"];
    }
}
