using System.Collections.Immutable;
using Monosemantic.Features;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Features;

public sealed class LogitEffectsTests
{
    [Fact]
    public void Effects_are_the_formula_carried_out_literally()
    {
        const int units = 5, vocabulary = 40, width = 6;
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        Tensor directions = randn(units, width, generator: generator), unembedding = randn(vocabulary, width, generator: generator), weight = rand(width, generator: generator) + 0.5;
        ImmutableArray<UnitLogits> effects = LogitEffects.Of(directions, unembedding, weight, centred: true, count: 4, TestContext.Current.CancellationToken);
        Tensor w = directions.to(ScalarType.Float64), u = unembedding.to(ScalarType.Float64);
        for (int unit = 0; unit < units; unit++)
        {
            var expected = Enumerable.Range(0, vocabulary).Select(token => (Token: token, Logit: Enumerable.Range(0, width).Sum(j =>
                (w[unit, j].item<double>() - w[unit].mean().item<double>()) * weight[j].item<float>() * (u[token, j].item<double>() - u.select(1, j).mean().item<double>())))).ToArray();
            AssertSame(expected.OrderByDescending(effect => effect.Logit).Take(4), effects[unit].Promoted);
            AssertSame(expected.OrderBy(effect => effect.Logit).Take(4), effects[unit].Suppressed);
        }
    }

    [Fact]
    public void Equal_effects_are_ranked_by_token_and_none_has_the_wrong_sign()
    {
        using var scope = NewDisposeScope();
        Tensor unembedding = tensor(new float[] { 1, 0, -1, 0, 1, 0, -1, 0 }, [4, 2]);
        UnitLogits effects = Assert.Single(LogitEffects.Of(tensor(new float[] { 1, 0 }, [1, 2]), unembedding, null, centred: false, count: 10, TestContext.Current.CancellationToken));
        Assert.Equal([new(0, 1), new(2, 1)], effects.Promoted);
        Assert.Equal([new(1, -1), new(3, -1)], effects.Suppressed);
    }

    private static void AssertSame(IEnumerable<(int Token, double Logit)> expected, ImmutableArray<LogitEffect> actual)
    {
        Assert.Equal(expected.Select(effect => effect.Token), actual.Select(effect => effect.Token));
        foreach (((int _, double logit), LogitEffect effect) in expected.Zip(actual)) Assert.Equal(logit, effect.Logit, 4);
    }
}
