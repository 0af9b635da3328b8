using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Activations;

public sealed class ActivationExtractorTests : IDisposable
{
    private const int Vocabulary = 50;
    private readonly SampleStore sample = new();

    public void Dispose() => sample.Dispose();

    private static ExtractionConfig Config => new() { Model = "toy", Hooks = ["a"], Context = 16, Batch = 3, RowsPerShard = 64, Dtype = StoreDtype.F32, HeldOutFraction = 0.2 };

    [Fact]
    public void Every_token_of_the_text_becomes_one_row_and_no_other()
    {
        TokenizedCorpus corpus = Corpus();
        StoreManifest manifest = Extract(Config, Simulated("a"), corpus).Single();
        Assert.Equal(corpus.Tokens, manifest.Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        var seen = new HashSet<(int, int)>();
        foreach (ActivationBatch batch in store.Read(40))
        {
            for (int i = 0; i < batch.Rows; i++)
            {
                Assert.True(seen.Add((batch.Documents[i], batch.Positions[i])));
                Assert.Equal(corpus.Documents[batch.Documents[i]].Tokens[batch.Positions[i]], batch.Tokens[i]);
                Assert.Equal(RowOf(0, batch.Tokens[i], batch.Positions[i]), batch.Row(i).ToArray());
            }
        }
        Assert.Equal(corpus.Tokens, seen.Count);
    }

    [Fact]
    public void Inserted_tokens_become_rows_only_when_asked()
    {
        TokenizedCorpus corpus = Corpus();
        Extract(Config with { ExcludeInserted = false }, Simulated("a"), corpus);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        int inserted = 0;
        foreach (ActivationBatch batch in store.Read(40)) inserted += batch.Positions.Take(batch.Rows).Count(position => position < 0);
        Assert.Equal(store.Manifest.Rows - corpus.Tokens, inserted);
        Assert.True(inserted > 0);
    }

    [Fact]
    public void A_row_limit_is_met_exactly_and_samples_the_corpus()
    {
        StoreManifest manifest = Extract(Config with { Rows = 150 }, Simulated("a"), Corpus()).Single();
        Assert.Equal(150, manifest.Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Assert.Contains(store.Read(1000).Single().Documents.Take(150), document => document > 30);
    }

    [Fact]
    public void Documents_are_read_in_corpus_order_when_asked()
    {
        Extract(Config with { ShuffleDocuments = false, Rows = 150 }, Simulated("a"), Corpus());
        using ActivationStore store = ActivationStore.Open(sample.Path);
        foreach (StoreSplit split in new[] { StoreSplit.Training, StoreSplit.HeldOut })
        {
            int[] documents = store.Read(1000, split).Single().Documents[..(int)store.RowCount(split)];
            Assert.Equal(documents.Order(), documents);
            Assert.Equal(Enumerable.Range(0, SampleStore.Documents).First(document => store.Plan.Split.IsHeldOut(document) == (split == StoreSplit.HeldOut)), documents[0]);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(11)]
    public void An_extraction_interrupted_and_resumed_has_the_same_bytes(int passes)
    {
        Extract(Config, Simulated("a", "b"), Corpus());
        Dictionary<string, string> whole = SampleStore.Hashes(sample.Path);
        Directory.Delete(sample.Path, recursive: true);
        using var cancel = new CancellationTokenSource();
        int done = 0;
        ActivationSource counting = Simulated("a", "b");
        ComputeActivations compute = counting.Compute;
        counting = counting with
        {
            Compute = (contexts, receive) =>
            {
                if (done++ == passes) cancel.Cancel();
                compute(contexts, receive);
            },
        };
        Assert.Throws<OperationCanceledException>(() => ActivationExtractor.Extract(Config, counting, Corpus(), sample.Path, cancellation: cancel.Token));
        Assert.Throws<UserErrorException>(() => ActivationStore.Open(Path.Combine(sample.Path, "a")));

        Extract(Config, Simulated("a", "b"), Corpus(), resume: true);
        Assert.Equal(whole, SampleStore.Hashes(sample.Path));
        Extract(Config, Simulated("a", "b"), Corpus(), resume: true);
        Assert.Equal(whole, SampleStore.Hashes(sample.Path));
    }

    [Fact]
    public void Resuming_finishes_the_store_that_was_behind()
    {
        Extract(Config, Simulated("a", "b"), Corpus());
        Dictionary<string, string> whole = SampleStore.Hashes(sample.Path);
        foreach (string name in new[] { "manifest.json", "shard-00002.stats.json" }) File.Delete(Path.Combine(sample.Path, "b", name));
        Extract(Config, Simulated("a", "b"), Corpus(), resume: true);
        Assert.Equal(whole, SampleStore.Hashes(sample.Path));
    }

    [Fact]
    public void A_folder_of_several_stores_names_them_when_opened_as_one()
    {
        Extract(Config, Simulated("a", "b"), Corpus());
        UserErrorException error = Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Path));
        Assert.Contains(Path.Combine(sample.Path, "b"), error.Hint, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => Extract(Config, Simulated("a", "b"), Corpus()));
    }

    [Fact]
    public void Settings_that_make_no_sense_are_refused_together()
    {
        ExtractionConfig config = Config with { Hooks = [], Context = 1, Batch = -1, Rows = -1, HeldOutFraction = 2, Positions = "5..2", ExcludeOutliers = 0.5, PerHead = -1 };
        string message = Assert.Throws<UserErrorException>(config.Check).Message;
        foreach (string part in new[] { "hooks is empty", "context is 1", "batch is -1", "rows is -1", "held_out_fraction is 2", "positions is '5..2'", "exclude_outliers is 0.5", "per_head is -1" }) Assert.Contains(part, message, StringComparison.Ordinal);
        UserErrorException tooLong = Assert.Throws<UserErrorException>(() => Extract(Config, Simulated("a") with { MaxContext = 8 }, Corpus()));
        Assert.Contains("reads at most 8", tooLong.Message, StringComparison.Ordinal);
        UserErrorException foreign = Assert.Throws<UserErrorException>(() => Extract(Config, Simulated("a") with { VocabularySize = 9 }, Corpus()));
        Assert.Contains("0..8", foreign.Message, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => Extract(Config, Simulated("a"), Corpus() with { BosToken = null }));
        Assert.False(Directory.Exists(sample.Path));
    }

    [Fact]
    public void Settings_survive_their_file()
    {
        ExtractionConfig config = Config with { Text = ["x.txt", "y"], Bos = BosPolicy.Document, Seed = -3 };
        string text = JsonFile.ToText(config);
        Assert.Contains("\"dtype\": \"f32\"", text, StringComparison.Ordinal);
        Assert.Equal(text, JsonFile.ToText(JsonFile.Parse<ExtractionConfig>(System.Text.Encoding.UTF8.GetBytes(text), "settings")));
    }

    [Fact]
    public void Rows_are_what_the_transformer_shows_at_its_hook_points()
    {
        TransformerConfig shape = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: Vocabulary, positions: 16);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(shape, seed: 7);
        using var model = new Transformer(shape, Gpt2.Assemble(shape, name => weights[name]), weights, "toy", "ab");
        ImmutableArray<HookPoint> points = [HookPoint.Parse("blocks.0.attn.hook_z"), HookPoint.Parse("blocks.1.hook_resid_post")];
        ExtractionConfig config = Config with { ShuffleDocuments = false, Pack = false, HeldOutFraction = 0 };
        TokenizedCorpus corpus = Corpus();
        ImmutableArray<StoreManifest> manifests = Extract(config, ActivationSource.Of(model, points), corpus);
        Assert.Equal(["blocks.0.attn.hook_z", "blocks.1.hook_resid_post"], manifests.Select(manifest => manifest.Plan.HookPoint));

        // Each document alone, a context after the other, behind the inserted token: without the padding of the extraction.
        foreach (HookPoint point in points)
        {
            float[] expected = [.. corpus.Documents.SelectMany(document => document.Tokens.Chunk(15)).SelectMany(chunk => Shown(model, point, chunk))];
            using ActivationStore store = ActivationStore.Open(Path.Combine(sample.Path, point.ToString()));
            ActivationBatch actual = store.Read(10_000).First();
            Assert.Equal(expected.Length, actual.Rows * 16);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual.Values[i], 1e-5f);
        }
    }

    // What a hook point shows of some tokens behind the inserted one.
    private static float[] Shown(Transformer model, HookPoint point, int[] chunk)
    {
        using Tensor tokens = tensor(chunk.Select(token => (long)token).Prepend(0).ToArray()).unsqueeze(0);
        float[] shown = [];
        model.Run(tokens, (_, value) =>
        {
            shown = value.reshape(-1, 16).narrow(0, 1, chunk.Length).data<float>().ToArray();
            return value;
        }, point);
        return shown;
    }

    private ImmutableArray<StoreManifest> Extract(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus, bool resume = false) =>
        ActivationExtractor.Extract(config, source, corpus, sample.Path, resume, cancellation: TestContext.Current.CancellationToken);

    private static TokenizedCorpus Corpus()
    {
        var random = new SeededRandom(3);
        TokenizedDocument[] documents = [.. Enumerable.Range(0, SampleStore.Documents).Select(index => new TokenizedDocument(index, [.. Enumerable.Range(0, 2 + random.Next(25)).Select(_ => 1 + random.Next(Vocabulary - 1))]))];
        return new(TokenizedDocuments.Of(documents), new CorpusIdentity("texts", null, "22", documents.Length, 1234), "11", 0);
    }

    private static ActivationSource Simulated(params string[] hooks) => SimulatedModel.Source(Vocabulary, hooks);

    private static float[] RowOf(int hook, int token, int position) => SimulatedModel.RowOf(hook, token, position);
}
