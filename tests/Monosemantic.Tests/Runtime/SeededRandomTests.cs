using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class SeededRandomTests
{
    [Fact]
    public void The_same_seed_and_stream_give_the_same_numbers_and_others_give_others()
    {
        ulong[] Draw(long seed, long stream)
        {
            var random = new SeededRandom(seed, stream);
            return [.. Enumerable.Range(0, 8).Select(_ => random.NextBits())];
        }
        Assert.Equal(Draw(5, 2), Draw(5, 2));
        Assert.NotEqual(Draw(5, 2), Draw(6, 2));
        Assert.NotEqual(Draw(5, 2), Draw(5, 3));
    }

    [Fact]
    public void Normal_draws_have_the_moments_of_the_standard_normal()
    {
        var random = new SeededRandom(1);
        double[] draws = [.. Enumerable.Range(0, 200_000).Select(_ => random.NextNormal())];
        // Standard errors: 1/sqrt(n) for the mean, sqrt(2/n) for the variance, sqrt(96/n) for the fourth moment; five of each.
        double n = draws.Length;
        Assert.InRange(draws.Average(), -5 / Math.Sqrt(n), 5 / Math.Sqrt(n));
        Assert.InRange(draws.Average(x => x * x), 1 - 5 * Math.Sqrt(2 / n), 1 + 5 * Math.Sqrt(2 / n));
        Assert.InRange(draws.Average(x => x * x * x * x), 3 - 5 * Math.Sqrt(96 / n), 3 + 5 * Math.Sqrt(96 / n));
    }

    [Fact]
    public void Integers_are_in_range_and_equally_likely()
    {
        var random = new SeededRandom(2);
        int[] counts = new int[7];
        for (int i = 0; i < 70_000; i++) counts[random.Next(7)]++;
        double chiSquare = counts.Sum(count => (count - 10_000.0) * (count - 10_000.0) / 10_000);
        // 99.99 % of draws of the chi-square distribution with 6 degrees of freedom lie below 27.9.
        Assert.True(chiSquare < 27.9, $"chi-square {chiSquare}");
    }

    [Fact]
    public void A_shuffle_keeps_every_item()
    {
        int[] items = [.. Enumerable.Range(0, 100)];
        new SeededRandom(3).Shuffle(items.AsSpan());
        Assert.NotEqual(Enumerable.Range(0, 100), items);
        Assert.Equal(Enumerable.Range(0, 100), items.Order());
    }
}
