using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Benchmarks;

/// <summary>An index of many made-up features, each with as much evidence as a scan keeps.</summary>
internal static class LargeIndex
{
    private const int Vocabulary = 4000;

    internal static void Write(string folder, int features)
    {
        var random = new SeededRandom(2);
        ImmutableArray<UnitEvidence> units = [.. Enumerable.Range(0, features).Select(index => Unit(index, features, random))];
        var card = new FeatureIndexCard { Model = "made up", ModelSha256 = "", HookPoint = "blocks.0.hook_resid_post", DModel = 512, DSae = features, K = 32, Corpus = "made up", TokensTrained = 0, RowsScanned = 1_000_000, Seed = 0, CodeVersion = "", FeatureDefinition = "", NeuronDefinition = "" };
        FeatureIndex.Write(folder, card, units, [], Enumerable.Range(0, Vocabulary).Select(token => KeyValuePair.Create(token, $" word{token}")));
    }

    private static UnitEvidence Unit(int index, int features, SeededRandom random)
    {
        float max = (float)Math.Exp(2 * random.NextDouble());
        ContextEvidence Context(float peak) => new(random.Next(30_000), random.Next(400), 16, [.. Enumerable.Range(0, 25).Select(_ => random.Next(Vocabulary))], [.. Enumerable.Range(0, 25).Select(at => at == 16 ? peak : 0)]);
        return new()
        {
            Kind = UnitKind.Feature,
            Index = index,
            Firings = 1000,
            Density = 0.001,
            Mean = max / 3,
            Max = max,
            TokenEntropy = 3 * random.NextDouble(),
            Purity = random.NextDouble(),
            DecileConsistency = random.NextDouble(),
            Logits = new(-2, 2, [.. Enumerable.Range(0, 50).Select(bin => (int)(200 * Math.Exp(-Math.Pow((bin - 20) / 6.0, 2))))]),
            Histogram = [.. Enumerable.Range(0, 30).Select(bin => (long)bin)],
            HistogramLow = -2,
            HistogramHigh = 1,
            Tokens = [.. Enumerable.Range(0, 30).Select(rank => new TokenEvidence(random.Next(Vocabulary), 40 - rank, 100, max / 3, max))],
            Contexts = [.. Enumerable.Range(0, 12).Select(rank => Context(max * (12 - rank) / 12))],
            Groups = [.. Enumerable.Range(0, 5).Select(group => new ContextGroup(max * (4 - group) / 5, max * (5 - group) / 5, 0.2, [Context(max * (4.5f - group) / 5), Context(max * (4.4f - group) / 5)]))],
            Promoted = [.. Enumerable.Range(0, 10).Select(rank => new LogitEffect(random.Next(Vocabulary), 2.0 / (rank + 1)))],
            Suppressed = [.. Enumerable.Range(0, 10).Select(rank => new LogitEffect(random.Next(Vocabulary), -2.0 / (rank + 1)))],
            Neighbours = [.. Enumerable.Range(0, 8).Select(rank => new NeighbourEvidence(Relation.Cosine, UnitKind.Feature, random.Next(features), 0.9 / (rank + 1), null))],
            Map = new(random.NextNormal(), random.NextNormal()),
        };
    }
}
