using CsCheck;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

public sealed class LiveActivationsTests : IDisposable
{
    private const int Vocabulary = 50;
    private readonly SampleStore sample = new();

    private static readonly Gen<ExtractionConfig> Configs =
        Gen.Select(Gen.Enum<BosPolicy>(), Gen.Bool, Gen.Enum<SeparatorPolicy>(), Gen.Bool, Gen.Int[0, 2].Select(which => new[] { 0, 1.2, 2 }[which]), Gen.Int[0, 300], Gen.Int[20, 90], Gen.Enum<StoreDtype>())
            .Select((bos, pack, separator, keepInserted, outliers, rows, rowsPerShard, dtype) => new ExtractionConfig
            {
                Model = "toy",
                Hooks = ["a"],
                Context = 13,
                Batch = 3,
                HeldOutFraction = 0.3,
                Bos = bos,
                Pack = pack,
                Separator = separator,
                ExcludeInserted = !keepInserted,
                ExcludeOutliers = outliers,
                Rows = rows,
                RowsPerShard = rowsPerShard,
                Dtype = dtype,
                Positions = rows % 3 == 0 ? "2..11" : null,
            });

    public void Dispose() => sample.Dispose();

    [Fact]
    public void Batches_on_the_fly_are_those_of_the_store_row_for_row()
    {
        Gen.Select(Configs, Gen.Int[1, 200], Gen.Int[1, 40], Gen.Enum<StoreSplit>(), Gen.Int[0, 9]).Sample((config, buffer, batch, split, first) =>
        {
            if (Directory.Exists(sample.Path)) Directory.Delete(sample.Path, recursive: true);
            using LiveActivations live = LiveActivations.Of(Extraction(config));
            StoreManifest manifest = Extraction(config).Run(sample.Path).Single();
            using ActivationStore store = ActivationStore.Open(sample.Path);
            Assert.Equal(JsonFile.ToText(manifest.Plan), JsonFile.ToText(live.Plan));
            Assert.Equal(store.RowCount(split), live.RowCount(split));
            Assert.Equal(Rows(store.Read(batch, split)), Rows(live.Read(batch, split)));
            Assert.Equal(JsonFile.ToText(manifest.TrainingStatistics), JsonFile.ToText(live.TrainingStatistics(cancellation: TestContext.Current.CancellationToken)));
            if (store.RowCount(split) == 0) return;
            Assert.Equal(Rows(store.Shuffled(batch, buffer, 4, split, first).Take(12)), Rows(live.Shuffled(batch, buffer, 4, split, first).Take(12)));
            Assert.Equal(Rows(store.Shuffled(batch, buffer, 4, split, epochs: 2)), Rows(live.Shuffled(batch, buffer, 4, split, epochs: 2)));
        }, iter: 60, threads: 1);
    }

    [Fact]
    public void Each_pass_of_an_epoch_is_computed_once_where_the_buffer_is_large()
    {
        int passes = 0;
        ActivationSource source = SimulatedModel.Source(Vocabulary, "a");
        ActivationSource counting = source with
        {
            Compute = (contexts, receive) =>
            {
                Interlocked.Increment(ref passes);
                source.Compute(contexts, receive);
            },
        };
        ExtractionConfig config = new() { Model = "toy", Hooks = ["a"], Context = 13, Batch = 3 };
        TokenizedCorpus corpus = SimulatedModel.Corpus(200, Vocabulary);
        using LiveActivations live = LiveActivations.Of(new Extraction(config, counting, corpus, TestContext.Current.CancellationToken), cancellation: TestContext.Current.CancellationToken);
        int rows = live.Shuffled(64, 16 * 39, 1, epochs: 1).Sum(batch => batch.Rows);
        Assert.Equal(live.RowCount(StoreSplit.All), rows);
        var schedule = new ContextSchedule(config, corpus, TestContext.Current.CancellationToken);
        Assert.Equal(schedule[StoreSplit.Training].Groups + schedule[StoreSplit.HeldOut].Groups, passes);
    }

    [Fact]
    public void A_stream_that_is_left_early_stops_computing()
    {
        using LiveActivations live = LiveActivations.Of(Extraction(new() { Model = "toy", Hooks = ["a"], Context = 13, Batch = 3 }), cancellation: TestContext.Current.CancellationToken);
        for (int i = 0; i < 20; i++) Assert.Equal(8, live.Shuffled(8, 50, i).First().Rows);
    }

    [Fact]
    public void Several_hook_points_are_refused()
    {
        var extraction = new Extraction(new() { Model = "toy", Hooks = ["a", "b"], Context = 13 }, SimulatedModel.Source(Vocabulary, "a", "b"), SimulatedModel.Corpus(10, Vocabulary), TestContext.Current.CancellationToken);
        Assert.Contains("hooks names 2 points", Assert.Throws<UserErrorException>(() => LiveActivations.Of(extraction, cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    private static Extraction Extraction(ExtractionConfig config) => new(config, SimulatedModel.Source(Vocabulary, "a"), SimulatedModel.Corpus(40, Vocabulary), TestContext.Current.CancellationToken);

    private static List<string> Rows(IEnumerable<ActivationBatch> batches) =>
        [.. batches.SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(i => $"{batch.Documents[i]} {batch.Positions[i]} {batch.Tokens[i]}: {string.Join(' ', batch.Row(i).ToArray())}").ToArray())];
}
