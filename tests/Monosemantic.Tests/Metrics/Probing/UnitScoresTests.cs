using Monosemantic.Dictionaries;
using Monosemantic.Metrics.Probing;
using Monosemantic.Runtime;
using Monosemantic.Tests.Activations;
using Monosemantic.Text;

namespace Monosemantic.Tests.Metrics.Probing;

public sealed class UnitScoresTests : IDisposable
{
    private const int Width = 6, K = 2;
    private const string Text = "abcadcbdabcdacbdbacd";
    private readonly SampleStore sample = new();

    public void Dispose() => sample.Dispose();

    // Where the dictionary's features are the neurons, what is said of the ones is said of the others.
    [Fact]
    public void Neurons_are_scored_by_the_tokens_at_which_they_are_among_the_k_largest()
    {
        string path = Path.Combine(sample.Folder, "text.txt");
        File.WriteAllText(path, Text);
        Tokenizer tokenizer = Tokenizer.Create(CharacterVocabulary.FromText(Text));
        int[] ids = tokenizer.Encode(Text);
        ProbeRows train = Rows(ids, 600, 1), test = Rows(ids, 400, 2);
        var corpus = new CorpusOptions { Paths = [path] };
        using var hasher = new CorpusHasher();
        Assert.Single(hasher.Watch(Corpus.Read(corpus, cancellation: TestContext.Current.CancellationToken)));
        ProbeText text = ProbeText.Read(corpus, SampleStore.Plan() with { Corpus = hasher.Identify(corpus) }, tokenizer, [train, test], null, TestContext.Current.CancellationToken);

        UnitScoreResult result = UnitScores.Measure(train, test, text, new double[Width], NeuronBasis.OfMlp(Width, K), null, TestContext.Current.CancellationToken);

        Assert.Equal([0, 1, 2, 3, 4], result.Neurons.Select(score => score.Neuron));
        Assert.Equal(result.Features.Select(of => (of.Feature, of.TokenEntropy, of.Purity, of.TokenPredictability, of.ContextPredictability, of.DecileConsistency)), result.Neurons.Select(of => (of.Neuron, of.TokenEntropy, of.Purity, of.TokenPredictability, of.ContextPredictability, of.DecileConsistency)));
        // Neuron 0 is large on a and nowhere else: the token tells all but the smoothing. Neuron 4 is noise.
        Assert.InRange(result.Neurons[0].TokenPredictability!.Value, 0.9, 1);
        Assert.Equal(1, result.Neurons[0].Purity);
        Assert.InRange(result.Neurons[4].TokenPredictability!.Value, -0.2, 0.2);
    }

    // Neurons 0 to 3 fire on one letter each, 4 at random, 5 never. Every number is that of one row, so that there are no ties.
    private static ProbeRows Rows(int[] ids, int count, int seed)
    {
        var random = new SeededRandom(seed);
        float[] x = new float[count * Width];
        var active = new (int Feature, float Value)[count][];
        for (int row = 0; row < count; row++)
        {
            Span<float> of = x.AsSpan(row * Width, Width);
            int letter = Text[row % ids.Length] - 'a';
            of[letter] = 2 + (float)random.NextDouble();
            if (random.NextDouble() < 0.3) of[4] = 1 + (float)random.NextDouble();
            of[5] = -1;
            int[] fire = [.. Enumerable.Range(0, Width).Where(j => x[(row * Width) + j] > 0)];
            active[row] = [.. fire.Select(j => (j, x[(row * Width) + j]))];
        }
        int[] positions = [.. Enumerable.Range(0, count).Select(row => row % ids.Length)];
        return new() { DModel = Width, X = x, Code = RowData.Code(count, Width, active), Documents = new int[count], Positions = positions, Tokens = [.. positions.Select(at => ids[at])] };
    }
}
