using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Features;

public sealed class FeatureScanTests
{
    private static readonly FeatureScanOptions Small = new() { Tokens = 5, Contexts = 6, Sample = 24, GroupSample = 12, GroupContexts = 2, Neighbours = 4, Seed = 3, Before = 4, After = 2, SameTextBefore = 2, SameTextAfter = 1, ChunkRows = 50 };

    [Theory]
    [InlineData(1, 16, 8)]
    [InlineData(2, 4, 2)]
    [InlineData(3, 0, 3)]
    [InlineData(4, 3, 0)]
    [InlineData(5, 0, 0)]
    public void Every_number_equals_the_definition_carried_out_literally(long seed, int before, int after)
    {
        FeatureScanOptions options = Small with { Before = before, After = after };
        ScanData data = ScanData.Random(seed);
        var oracle = new ScanOracle(data, options);
        UnitEvidence[] scanned = data.Scan(options, batchSize: 64);
        Assert.Equal(data.Units, scanned.Length);
        foreach (UnitEvidence actual in scanned)
        {
            UnitEvidence expected = oracle.Evidence(actual.Index);
            Assert.Equal(expected.TokenEntropy ?? -1, actual.TokenEntropy ?? -1, 12);
            SameNeighbours(oracle.Partners(actual.Index), actual.Neighbours);
            UnitEvidence comparable = actual with { Neighbours = [], TokenEntropy = expected.TokenEntropy, Histogram = [], HistogramLow = 0, HistogramHigh = 0 };
            Assert.Equal(JsonFile.ToText(expected), JsonFile.ToText(comparable));
        }
        Assert.Contains(scanned, unit => unit.Contexts.Length == options.Contexts);
        Assert.Contains(scanned, unit => unit.Firings == 0);
        Assert.Contains(scanned, unit => unit.Groups.Length >= 3);
    }

    [Fact]
    public void A_scan_that_goes_on_from_its_saved_state_ends_the_same()
    {
        ScanData data = ScanData.Random(11);
        string expected = JsonFile.ToText(data.Scan(Small, 64));
        var first = new FeatureScan(UnitKind.Feature, data.Units, Small);
        var all = data.Batches(64).ToArray();
        for (int half = 0; half < all.Length / 2; half++) first.Add(all[half].Batch, all[half].Code);
        using var state = new MemoryStream();
        first.Save(new BinaryWriter(state));
        state.Position = 0;
        var second = new FeatureScan(UnitKind.Feature, data.Units, Small);
        second.Load(new BinaryReader(state));
        foreach ((ActivationBatch batch, SparseCode code) in all.Skip(all.Length / 2)) second.Add(batch, code);
        Assert.Equal(expected, JsonFile.ToText(second.Finish()));
        Assert.Equal(state.Length, state.Position);
    }

    [Fact]
    public void Random_draws_give_every_firing_the_same_chance()
    {
        const int firings = 2000, draws = 400;
        var hits = new int[firings];
        for (long seed = 0; seed < draws; seed++)
        {
            foreach (int position in Enumerable.Range(0, firings).OrderBy(position => RandomDraws.PriorityOf(seed, 3, 7, position)).Take(100)) hits[position]++;
        }
        // Each is drawn Binomial(400, 1/20) times: mean 20, deviation 4.36; and the early as often as the late.
        Assert.InRange(hits.Max(), 20, 20 + (6 * 4.36));
        Assert.InRange(hits.Take(firings / 2).Sum() / (double)hits.Sum(), 0.48, 0.52);
    }

    private static void SameNeighbours(NeighbourEvidence[] expected, IReadOnlyList<NeighbourEvidence> actual)
    {
        Assert.Equal(expected.Select(neighbour => (neighbour.Relation, neighbour.Index, neighbour.Together)), actual.Select(neighbour => (neighbour.Relation, neighbour.Index, neighbour.Together)));
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First.Value, pair.Second.Value, 9));
    }

    [Fact]
    public void Histogram_bins_hold_the_firings_between_their_edges()
    {
        ScanData data = ScanData.Random(6);
        var oracle = new ScanOracle(data, Small);
        foreach (UnitEvidence unit in data.Scan(Small, 64))
        {
            Assert.Equal(unit.Firings, unit.Histogram.Sum());
            double width = (unit.HistogramHigh - unit.HistogramLow) / unit.Histogram.Length;
            Assert.Equal(0.1, width, 9);
            for (int bin = 0; bin < unit.Histogram.Length; bin++)
            {
                // Edges are float32: an activation of 1 belongs above an edge at 10^0 in both ways of counting.
                double low = unit.HistogramLow + (bin * width) - 1e-7;
                Assert.Equal(oracle.FiringsBetween(unit.Index, low, low + width), unit.Histogram[bin]);
            }
        }
    }

    [Fact]
    public void Activations_beyond_the_histogram_fall_into_its_ends()
    {
        var bins = new LogBins(-1, 1, 2);
        Assert.Equal([0, 0, 1, 2, 3, 3], new[] { 1e-30f, 0.1f, 0.5f, 1f, 4f, 3e38f }.Select(bins.Of));
    }

    [Fact]
    public void Batches_chunks_and_threads_change_nothing()
    {
        ScanData data = ScanData.Random(7, units: 70);
        string expected = JsonFile.ToText(data.Scan(Small, data.Rows));
        foreach (int batchSize in new[] { 1, 3, 64, 1000 })
        {
            foreach (int chunk in new[] { 1, 17, 4096 })
            {
                Assert.Equal(expected, JsonFile.ToText(data.Scan(Small with { ChunkRows = chunk }, batchSize)));
            }
            foreach (int firings in new[] { 1, 2000 })
            {
                Assert.Equal(expected, JsonFile.ToText(data.Scan(Small with { ChunkRows = 4096, ChunkFirings = firings }, batchSize)));
            }
        }
    }

    [Fact]
    public void Contexts_of_a_unit_never_overlap_and_never_repeat_a_text()
    {
        foreach (UnitEvidence unit in ScanData.Random(8).Scan(Small with { Contexts = 1000, SameTextBefore = 4, SameTextAfter = 2 }, 64))
        {
            foreach (IGrouping<int, ContextEvidence> document in unit.Contexts.GroupBy(context => context.Document))
            {
                ContextEvidence[] inOrder = [.. document.OrderBy(context => context.Start)];
                for (int i = 1; i < inOrder.Length; i++) Assert.True(inOrder[i].Start >= inOrder[i - 1].Start + inOrder[i - 1].Tokens.Length);
            }
            Assert.Equal(unit.Contexts.Length, unit.Contexts.Select(context => $"{context.Peak}:{string.Join(",", context.Tokens)}").Distinct().Count());
        }
    }

    [Fact]
    public void A_unit_with_more_tokens_than_memory_keeps_the_strongest_and_says_so()
    {
        const int tokens = 2000;
        float[][] activations = [.. Enumerable.Range(0, tokens * 2).Select(i => new[] { i % 2 == 0 ? 100f + (i % 10) : 0.01f })];
        int[] ids = [.. Enumerable.Range(0, tokens * 2).Select(i => i % 2 == 0 ? i % 10 : 10 + i)];
        var data = new ScanData(1, new int[ids.Length], [.. Enumerable.Range(0, ids.Length)], ids, activations);
        var scan = new FeatureScan(UnitKind.Feature, 1, new FeatureScanOptions { MaxPairs = 1 });
        foreach ((ActivationBatch batch, SparseCode code) in data.Batches(100)) scan.Add(batch, code);
        UnitEvidence unit = Assert.Single(scan.Finish());

        Assert.Equal(1, scan.PrunedUnits);
        Assert.Equal(tokens * 2, unit.Firings);
        Assert.Equal([8, 6, 4, 2, 0], unit.Tokens.Take(5).Select(token => token.Token));
        Assert.All(unit.Tokens.Take(5), token => Assert.Equal(tokens / 5, token.Count));
        Assert.Equal(Math.Log2(5), unit.TokenEntropy!.Value, 1);
    }

    [Fact]
    public void Tokens_are_counted_wherever_they_occur()
    {
        ScanData data = ScanData.Random(9);
        var scan = new FeatureScan(UnitKind.Feature, data.Units, Small);
        foreach ((ActivationBatch batch, SparseCode code) in data.Batches(64)) scan.Add(batch, code);
        var expected = data.Tokens.Where((_, row) => data.Positions[row] >= 0).CountBy(token => token).OrderBy(pair => pair.Key).Select(pair => KeyValuePair.Create(pair.Key, (long)pair.Value));
        Assert.Equal(expected, scan.TokenOccurrences);
        Assert.Equal(data.Positions.Count(position => position >= 0), scan.Rows);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void An_activation_that_is_not_finite_is_refused_by_name(float value)
    {
        var data = new ScanData(2, [4], [3], [0], [[0, value]]);
        UserErrorException error = Assert.Throws<UserErrorException>(() => data.Scan(Small, 1));
        Assert.Contains("feature 1", error.Message);
        Assert.Contains("document 4, position 3", error.Message);
    }

    [Fact]
    public void Nothing_scanned_leaves_every_unit_silent()
    {
        UnitEvidence unit = Assert.Single(new FeatureScan(UnitKind.Neuron, 1).Finish());
        Assert.Equal(UnitKind.Neuron, unit.Kind);
        Assert.Null(unit.TokenEntropy);
        Assert.Equal(0, unit.Density);
        Assert.Empty(unit.Contexts);
    }

    [Fact]
    public void A_code_of_other_rows_or_units_is_refused()
    {
        ScanData data = ScanData.Random(10);
        (ActivationBatch batch, SparseCode code) = data.Batches(8).First();
        Assert.Throws<ArgumentException>(() => new FeatureScan(UnitKind.Feature, data.Units + 1).Add(batch, code));
        Assert.Throws<ArgumentException>(() => new FeatureScan(UnitKind.Feature, data.Units).Add(batch, data.Batches(7).First().Code));
        Assert.Throws<ArgumentException>(() => new FeatureScan(UnitKind.Feature, 1, new FeatureScanOptions { Before = -1 }));
    }
}
