using Monosemantic.Training;

namespace Monosemantic.Tests.Training;

public sealed class NgramBaselineTests
{
    private static NgramBaseline Counted()
    {
        var counts = new NgramBaseline(vocabularySize: 4);
        counts.Add([0, 1, 2, 1, 2, 1, 3]);
        counts.Add([0, 2]);
        return counts;
    }

    [Fact]
    public void Probabilities_sum_to_one()
    {
        NgramBaseline counts = Counted();
        Assert.Equal(1, Enumerable.Range(0, 4).Sum(counts.Unigram), 12);
        foreach (int before in Enumerable.Range(0, 4)) Assert.Equal(1, Enumerable.Range(0, 4).Sum(token => counts.Bigram(before, token)), 12);
    }

    [Fact]
    public void Values_are_those_worked_out_by_hand()
    {
        NgramBaseline counts = Counted();
        // Predicted tokens: 1 2 1 2 1 3 and 2, seven in all; after 1 come 2, 2 and 3.
        Assert.Equal((3 + 1.0) / (7 + 4), counts.Unigram(1), 12);
        Assert.Equal((2 - 0.75 + 0.75 * 2 * 4 / 11.0) / 3, counts.Bigram(1, 2), 12);
        Assert.Equal(0.75 * 2 * 1 / 11.0 / 3, counts.Bigram(1, 0), 12);
    }
}
