using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Tests.Features;

public sealed class IndexWriterTests : IDisposable
{
    private static readonly FeatureIndexCard Card = new()
    {
        Model = "toy",
        ModelSha256 = "00",
        HookPoint = "blocks.0.hook_resid_post",
        DModel = 4,
        DSae = 7,
        Corpus = "noise",
        TokensTrained = 10,
        RowsScanned = 20,
        Seed = 1,
        CodeVersion = "0.1.0",
        FeatureDefinition = "a feature",
        NeuronDefinition = "a neuron",
        Provenance = [],
        LanguageModel = [],
    };

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly ImmutableArray<UnitEvidence> features = [.. ScanData.Random(1).Scan(new() { Contexts = 5 }, 64)];
    private readonly ImmutableArray<UnitEvidence> neurons = [.. ScanData.Random(2, units: 3).Scan(new(), 64).Select(unit => unit with { Kind = UnitKind.Neuron })];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_becomes_known_while_it_is_written_stands_in_the_tables()
    {
        using (var writer = IndexWriter.Begin(folder, features, neurons, []))
        {
            Assert.False(FeatureIndex.IsFinished(folder));
            writer.Add(features.Select(Measured));
            writer.Add(neurons.Select(Measured));
            Assert.False(FeatureIndex.IsFinished(folder));
            writer.Finish(Card);
        }
        string whole = Path.Combine(folder, "whole");
        FeatureIndex.Write(whole, Card, [.. features.Select(Measured)], [.. neurons.Select(Measured)], []);
        string[] names = [.. Directory.GetFiles(whole).Select(path => Path.GetFileName(path))];
        Assert.Equal(11, names.Length);
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(Path.Combine(whole, name)), File.ReadAllBytes(Path.Combine(folder, name))));
        Assert.Equal(0.25, FeatureIndex.Open(folder).Features.First(unit => unit.Contexts.Length > 0).AblationLoss);
    }

    [Fact]
    public void Who_leaves_before_the_end_leaves_an_unfinished_folder_that_can_be_written_again()
    {
        using (var writer = IndexWriter.Begin(folder, features, neurons, [])) writer.Add(features.Take(2));
        Assert.False(FeatureIndex.IsFinished(folder));
        Assert.DoesNotContain(Directory.GetFiles(folder), path => path.EndsWith(".tmp", StringComparison.Ordinal));
        FeatureIndex.Write(folder, Card, features, neurons, []);
        Assert.Equal(features.Length, FeatureIndex.Open(folder).Features.Length);
    }

    private static UnitEvidence Measured(UnitEvidence unit) => unit with { Contexts = [.. unit.Contexts.Select(context => context with { AblationLoss = 0.25 })] };
}
