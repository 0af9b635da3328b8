using System.Collections.Immutable;
using System.Text;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Features;

public sealed class FeatureIndexTests : IDisposable
{
    private static readonly FeatureIndexCard Card = new()
    {
        Model = "toy",
        ModelSha256 = "00",
        HookPoint = "blocks.0.hook_resid_post",
        DModel = 4,
        DSae = 7,
        K = 3,
        Corpus = "noise",
        TokensTrained = 10,
        RowsScanned = 20,
        Seed = 1,
        CodeVersion = "0.1.0",
        FeatureDefinition = "a feature",
        NeuronDefinition = "a neuron",
        Provenance = [new("model", "00"), new("sae", "11")],
        LanguageModel = [new("held-out cross-entropy", "3.1 nats/token")],
        Evaluation = new() { Split = "held_out", Rows = 20, Fvu = null, MsePerVector = 0.5, L0 = 3, DeadFraction = 0, CosineSimilarity = 0.9, CrossEntropy = new(1, 2, 3, 0.5, 19) },
    };

    private static readonly ImmutableSortedDictionary<int, string> Hostile = new Dictionary<int, string>
    {
        [0] = "",
        [1] = "</script><script>alert(1)</script>",
        [2] = "\0\u0001\u001b[31m",
        [3] = "\u202e\u2066rtl",
        [4] = "\r\n\t ",
        [5] = "'; drop table features; --",
        [6] = "𝔘\U0001F468\u200d\U0001F469",
        [7] = "\ufffd\ufeff",
        [8] = new string('x', 100_000),
    }.ToImmutableSortedDictionary();

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly ImmutableArray<UnitEvidence> features = [.. ScanData.Random(1).Scan(new() { Contexts = 5 }, 64, [.. Enumerable.Range(0, 7).Select(LogitsOf)])];
    private readonly ImmutableArray<UnitEvidence> neurons = [.. ScanData.Random(2, units: 3).Scan(new(), 64).Select(unit => unit with { Kind = UnitKind.Neuron })];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_was_written_opens_equal()
    {
        FeatureIndex.Write(folder, Card, features, neurons, Hostile);
        var index = FeatureIndex.Open(folder);
        Assert.Equal(JsonFile.ToText(features), JsonFile.ToText(index.Features));
        Assert.Equal(JsonFile.ToText(neurons), JsonFile.ToText(index.Neurons));
        Assert.Equal(JsonFile.ToText(Card), JsonFile.ToText(index.Card));
        Assert.Equal(UnitSummary.Of(features), index.FeatureSummary);
        Assert.Equal(Hostile, index.Vocabulary);
        Assert.Equal("[99]", index.TokenText(99));
    }

    [Fact]
    public void What_becomes_known_while_it_is_written_stands_in_the_tables()
    {
        UnitEvidence[] worth = [.. features.Concat(neurons).Select(Measured)];
        using (var writer = IndexWriter.Begin(folder, features, neurons, Hostile))
        {
            writer.Add(worth[..3]);
            writer.Add(worth[3..]);
            Assert.False(FeatureIndex.IsFinished(folder));
            writer.Finish(Card);
        }
        var index = FeatureIndex.Open(folder);
        Assert.Equal(JsonFile.ToText(worth), JsonFile.ToText(index.Features.Concat(index.Neurons).ToArray()));
        Assert.Contains(index.Features, unit => unit.AblationLoss == 0.25);
    }

    [Fact]
    public void Who_leaves_before_the_end_leaves_an_unfinished_folder_that_can_be_written_again()
    {
        FeatureIndex.Write(folder, Card, features, neurons, Hostile);
        using (var writer = IndexWriter.Begin(folder, features, neurons, Hostile)) writer.Add(features.Take(2));
        Assert.False(FeatureIndex.IsFinished(folder));
        Assert.DoesNotContain(Directory.GetFiles(folder), path => path.EndsWith(".tmp", StringComparison.Ordinal));
        FeatureIndex.Write(folder, Card, features, neurons, Hostile);
        Assert.Equal(features.Length, FeatureIndex.Open(folder).Features.Length);
    }

    [Fact]
    public void An_index_without_units_opens_empty()
    {
        FeatureIndex.Write(folder, Card with { Evaluation = null, K = null }, [], [], []);
        var index = FeatureIndex.Open(folder);
        Assert.Empty(index.Features);
        Assert.Empty(index.Vocabulary);
        Assert.Equal(new UnitSummary(0, 0, null, null), index.NeuronSummary);
    }

    [Fact]
    public void The_same_evidence_gives_the_same_bytes()
    {
        string other = Path.Combine(folder, "b");
        FeatureIndex.Write(Path.Combine(folder, "a"), Card, features, neurons, Hostile);
        FeatureIndex.Write(other, Card, features, neurons, Hostile.Reverse());
        FeatureIndex.Write(other, Card, features, neurons, Hostile);
        string[] names = [.. Directory.GetFiles(other).Select(path => Path.GetFileName(path)).Order()];
        Assert.Equal(["contexts.parquet", "features.parquet", "firings.parquet", "histograms.parquet", "index.json", "logits.parquet", "neighbours.parquet", "neurons.parquet", "runs.parquet", "tokens.parquet", "vocabulary.parquet"], names);
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "a", name)), File.ReadAllBytes(Path.Combine(other, name))));
    }

    [Fact]
    public void A_table_that_was_cut_changed_or_lost_is_refused_by_name()
    {
        FeatureIndex.Write(folder, Card, features, neurons, Hostile);
        foreach (string path in Directory.GetFiles(folder, "*.parquet"))
        {
            byte[] whole = File.ReadAllBytes(path), changed = [.. whole];
            changed[^1] ^= 1;
            foreach (byte[]? damaged in new[] { whole[..^1], [], changed, null })
            {
                if (damaged is null) File.Delete(path);
                else File.WriteAllBytes(path, damaged);
                Assert.Contains(Path.GetFileName(path), Assert.Throws<UserErrorException>(() => FeatureIndex.Open(folder)).Message);
            }
            File.WriteAllBytes(path, whole);
        }
        Assert.Equal(7, FeatureIndex.Open(folder).Features.Length);
    }

    [Fact]
    public void A_folder_without_its_manifest_or_of_another_version_is_refused()
    {
        Assert.Throws<UserErrorException>(() => FeatureIndex.Open(Path.Combine(folder, "absent")));
        FeatureIndex.Write(folder, Card, features, neurons, Hostile);
        string manifest = Path.Combine(folder, "index.json"), text = File.ReadAllText(manifest);
        File.WriteAllText(manifest, text.Replace("\"version\": 3", "\"version\": 2", StringComparison.Ordinal));
        Assert.Contains("version 2", Assert.Throws<UserErrorException>(() => FeatureIndex.Open(folder)).Message);
        File.WriteAllText(manifest, text.Replace("tokens.parquet", "../tokens.parquet", StringComparison.Ordinal));
        Assert.Throws<UserErrorException>(() => FeatureIndex.Open(folder));
        File.Delete(manifest);
        Assert.Throws<UserErrorException>(() => FeatureIndex.Open(folder));
    }

    [Fact]
    public void Half_a_surrogate_pair_becomes_the_replacement_character()
    {
        FeatureIndex.Write(folder, Card, [], [], [KeyValuePair.Create(1, "a\ud83d")]);
        Assert.Equal("a\ufffd", FeatureIndex.Open(folder).TokenText(1));
        Assert.Equal("a\ufffd", Encoding.UTF8.GetString(Encoding.UTF8.GetBytes("a\ud83d")));
    }

    [Fact]
    public void The_median_is_of_the_units_that_fire()
    {
        UnitEvidence silent = features.First(unit => unit.Firings == 0), loud = features.First(unit => unit.Firings > 0);
        UnitEvidence[] units = [silent, loud with { TokenEntropy = 1, Density = 0.1 }, loud with { TokenEntropy = 4, Density = 0.3 }];
        var summary = UnitSummary.Of(units);
        Assert.Equal((3, 2), (summary.Units, summary.Fired));
        Assert.Equal(2.5, summary.MedianTokenEntropy);
        Assert.Equal(0.2, summary.MedianDensity!.Value, 12);
    }

    private static UnitEvidence Measured(UnitEvidence unit) => unit with { Contexts = [.. unit.Contexts.Select(context => context with { AblationLoss = 0.25 })] };

    private static UnitLogits LogitsOf(int unit) => unit == 0 ? UnitLogits.None : new([new(1, unit), new(2, 0.1)], [new(3, -unit)]);
}
