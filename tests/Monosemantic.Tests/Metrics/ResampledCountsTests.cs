using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

/// <summary>Counts over resampled documents, against adding them up one document and one resample at a time.</summary>
public sealed class ResampledCountsTests
{
    private const int Things = 37, Documents = 75;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(10)]
    public void Counts_ReadInBetween_EqualTheSumOverDocuments(int readEvery)
    {
        var random = new SeededRandom(4);
        var counts = new ResampledCounts(Things);
        long[] totals = new long[Things], documents = new long[Things];
        float[,] resampled = new float[Things, ResampledCounts.Resamples];
        byte[] weights = new byte[ResampledCounts.Resamples];
        for (int document = 0; document < Documents; document++)
        {
            int[] own = new int[Things];
            for (int i = random.Next(40); i > 0; i--)
            {
                int thing = random.Next(Things);
                own[thing]++;
                counts.Add(thing);
                // Reading while a document is open neither loses nor counts what it has so far.
                if (readEvery > 0 && i % readEvery == 0) Assert.Equal(totals, counts.Totals);
            }
            counts.Close(document);
            PoissonWeights.Fill(document, weights);
            for (int thing = 0; thing < Things; thing++)
            {
                (totals[thing], documents[thing]) = (totals[thing] + own[thing], documents[thing] + (own[thing] > 0 ? 1 : 0));
                for (int i = 0; i < weights.Length; i++) resampled[thing, i] += own[thing] * (float)weights[i];
            }
        }
        Assert.Equal(totals, counts.Totals);
        Assert.Equal(documents, counts.Documents);
        for (int thing = 0; thing < Things; thing++)
        {
            for (int i = 0; i < weights.Length; i++) Assert.Equal(resampled[thing, i], counts.Resampled(thing, i));
        }
    }
}
