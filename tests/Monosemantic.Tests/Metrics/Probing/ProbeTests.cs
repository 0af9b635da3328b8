using Monosemantic.Dictionaries;
using Monosemantic.Metrics.Probing;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics.Probing;

public sealed class ProbeTests
{
    [Fact]
    public void A_probe_ends_where_the_gradient_of_its_loss_is_zero()
    {
        var random = new SeededRandom(3);
        const int rows = 400, width = 6;
        float[] x = [.. Enumerable.Range(0, rows * width).Select(i => (float)((random.NextNormal() * (1 + (i % width))) + (5 * (i % width))))];
        bool[] labels = [.. Enumerable.Range(0, rows).Select(row => x[row * width] + (0.5 * x[(row * width) + 1]) + (2 * random.NextNormal()) > 3)];
        LogisticProbe probe = LogisticProbe.Fit(x, labels);
        // In the scaled columns z the penalised loss has the gradient sum_i (sigma_i - y_i) z_i + w = 0 and sum_i (sigma_i - y_i) = 0.
        double[] wrong = [.. Enumerable.Range(0, rows).Select(row => (1 / (1 + Math.Exp(-probe.Score(x.AsSpan(row * width, width))))) - (labels[row] ? 1 : 0))];
        Assert.Equal(0, wrong.Sum(), 0.05);
        for (int j = 0; j < width; j++)
        {
            double[] column = [.. Enumerable.Range(0, rows).Select(row => (double)x[(row * width) + j])];
            double mean = column.Average(), deviation = Math.Sqrt(column.Average(value => (value - mean) * (value - mean)));
            Assert.Equal(0, wrong.Zip(column, (w, value) => w * (value - mean) / deviation).Sum() + (probe.Weights[j] * deviation), 0.05);
        }
    }

    [Fact]
    public void What_one_column_separates_is_learnt_and_a_constant_column_gets_no_weight()
    {
        bool[] labels = [.. Enumerable.Range(0, 40).Select(i => i % 2 == 0)];
        float[] x = [.. labels.SelectMany((label, i) => new[] { (label ? 2f : -2f) + (i * 0.01f), 7f })];
        LogisticProbe probe = LogisticProbe.Fit(x, labels);
        Assert.Equal(0, probe.Weights[1]);
        Assert.All(Enumerable.Range(0, 40), row => Assert.Equal(labels[row], probe.Score(x.AsSpan(row * 2, 2)) > 0));
    }

    [Fact]
    public void Balanced_weights_move_the_border_to_the_middle()
    {
        // One yes for nine no, overlapping: without weights most scores lean to no.
        var random = new SeededRandom(5);
        bool[] labels = [.. Enumerable.Range(0, 2000).Select(i => i % 10 == 0)];
        float[] x = [.. labels.Select(label => (float)(random.NextNormal() + (label ? 1 : -1)))];
        LogisticProbe plain = LogisticProbe.Fit(x, labels), balanced = LogisticProbe.Fit(x, labels, balanced: true);
        Assert.Equal(0, -balanced.Bias / balanced.Weights[0], 0.2);
        // ln 9 / 2 by the ratio of two normal densities.
        Assert.Equal(Math.Log(9) / 2, -plain.Bias / plain.Weights[0], 0.2);
    }

    [Fact]
    public void Examples_are_balanced_repeatable_and_of_both_answers()
    {
        bool[] labels = [.. Enumerable.Range(0, 100).Select(i => i < 30)];
        int[] chosen = ProbeExamples.Balanced(labels, 20, 1);
        Assert.Equal((40, 20), (chosen.Length, chosen.Count(i => labels[i])));
        Assert.Equal(chosen, ProbeExamples.Balanced(labels, 20, 1));
        Assert.Equal(60, ProbeExamples.Balanced(labels, 2000, 1).Length);
    }

    [Fact]
    public void The_most_telling_columns_come_first_and_documents_are_means_of_their_tokens()
    {
        SparseCode code = RowData.Code(4, 5, [[(0, 1f), (2, 4f)], [(2, 2f)], [(1, 3f)], [(1, 1f), (4, 2f)]]);
        var rows = new ProbeRows { DModel = 2, X = [1, 0, 3, 0, 0, 5, 0, 7], Code = code, Documents = [8, 8, 9, 9], Positions = [0, 1, 0, 1], Tokens = [1, 2, 3, 4] };
        bool[] labels = [true, true, false, false];
        ProbeExamples tokens = ProbeExamples.OfTokens(rows), documents = ProbeExamples.OfDocuments(rows);
        // Mean differences: feature 0: 0.5, 1: -2, 2: 3, 4: -1.
        Assert.Equal([2, 1, 4, 0], tokens.MostDifferent([0, 1, 2, 3], labels, 4, features: true));
        Assert.Equal([2, 0], tokens.MostDifferent([0, 1, 2, 3], labels, 4, features: true, risingOnly: true));
        Assert.Equal([1, 0], tokens.MostDifferent([0, 1, 2, 3], labels, 2, features: false));
        Assert.Equal([8, 9], documents.Documents);
        Assert.Equal([2, 0, 0, 6], documents.X);
        Assert.Equal([0.5f, 3, 2, 1], documents.Code.Values);
        Assert.Equal([3f, 0, 0, 2], documents.Columns([0, 1], [2, 1], features: true));
    }

    [Fact]
    public void Absorption_of_worked_examples()
    {
        FeatureProjection main = new(1, 2, 0.6), other = new(2, 5, 0.5), weak = new(3, 0.5, 0.05), against = new(4, -1, -0.2);
        // The main feature carries all of it.
        Assert.Equal((0, false), AbsorptionScore.Of(2, [main, other], [1], 0.4));
        // 2 of 10 by the main feature, 5 by another: 5 / 7.
        Assert.Equal((5.0 / 7, false), AbsorptionScore.Of(10, [main, other, weak, against], [1], 0.4));
        // What is missing is less than what the other carries: 1 / 3.
        Assert.Equal((1.0 / 3, false), AbsorptionScore.Of(3, [main, other], [1], 0.4));
        // Silent main feature, another carries half: absorbed in full.
        Assert.Equal((1, true), AbsorptionScore.Of(10, [other, against], [1], 0.4));
        // Nobody carries enough.
        Assert.Equal((0, false), AbsorptionScore.Of(20, [other], [1], 0.4));
        Assert.Equal((0, false), AbsorptionScore.Of(10, [], [1], 0.4));
    }

    [Fact]
    public void Scores_of_worked_examples()
    {
        // Activation 3 + 1 on token 5 and 4 on token 6: one bit.
        Assert.Equal(1, TokenScores.Entropy([5, 6, 5], [3, 4, 1]), 12);
        Assert.Equal(2.0 / 3, TokenScores.Purity([5, 6, 5]), 12);
        // Token 1 in the upper half of the firings, token 2 in the lower: four of the nine lower deciles are like the top one.
        int[] tokens = [.. Enumerable.Range(0, 100).Select(i => i < 50 ? 1 : 2)];
        float[] values = [.. Enumerable.Range(0, 100).Select(i => 100f - i)];
        Assert.Equal(4.0 / 9, TokenScores.DecileConsistency(tokens, values), 12);
        Assert.True(double.IsNaN(TokenScores.DecileConsistency([1, 1], [1, 1])));
    }

    [Fact]
    public void What_the_token_decides_it_explains_and_what_the_one_before_decides_only_context_does()
    {
        var random = new SeededRandom(7);
        const int rows = 20_000, train = 10_000;
        int[] tokens = [.. Enumerable.Range(0, rows).Select(_ => random.Next(10))];
        (int, int, int)[] grams = [.. Enumerable.Range(0, rows).Select(row => (tokens[row], row > 0 ? tokens[row - 1] : -1, row > 1 ? tokens[row - 2] : -1))];
        var ngrams = new FiringNgrams(train, grams);
        (double token, double context) = ngrams.Explained([.. Enumerable.Range(0, rows).Where(row => tokens[row] == 3)]);
        Assert.InRange(token, 0.98, 1);
        Assert.InRange(context, 0.98, 1);
        (token, context) = ngrams.Explained([.. Enumerable.Range(1, rows - 1).Where(row => tokens[row - 1] == 3)]);
        Assert.InRange(token, -0.01, 0.02);
        Assert.InRange(context, 0.8, 1);
        (token, context) = ngrams.Explained([.. Enumerable.Range(0, rows).Where(_ => random.Next(10) == 0)]);
        Assert.InRange(token, -0.02, 0.02);
        Assert.InRange(context, -0.2, 0.02);
        Assert.True(double.IsNaN(ngrams.Explained([1, 2, 3]).Token));
    }
}
