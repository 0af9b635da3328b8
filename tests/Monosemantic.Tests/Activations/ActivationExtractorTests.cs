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
        int[] documents = store.Read(1000).Single().Documents[..150];
        Assert.Equal(documents.Order(), documents);
        Assert.Equal(0, documents[0]);
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
        ExtractionConfig config = Config with { Hooks = [], Context = 1, Batch = 0, Rows = -1, HeldOutFraction = 2 };
        string message = Assert.Throws<UserErrorException>(config.Check).Message;
        foreach (string part in new[] { "hooks is empty", "context is 1", "batch is 0", "rows is -1", "held_out_fraction is 2" }) Assert.Contains(part, message, StringComparison.Ordinal);
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
        ExtractionConfig config = Config with { ShuffleDocuments = false, Pack = false };
        TokenizedCorpus corpus = Corpus();
        ImmutableArray<StoreManifest> manifests = Extract(config, ActivationSource.Of(model, points), corpus);
        Assert.Equal(["blocks.0.attn.hook_z", "blocks.1.hook_resid_post"], manifests.Select(manifest => manifest.Plan.HookPoint));

        // The first document alone, in one context behind the inserted token.
        TokenizedDocument first = corpus.Documents[0];
        using Tensor tokens = tensor(new long[] { 0 }.Concat(first.Tokens.Take(15).Select(token => (long)token)).ToArray()).unsqueeze(0);
        foreach (HookPoint point in points)
        {
            float[] expected = [];
            model.Run(tokens, (_, value) =>
            {
                expected = value.reshape(-1, 16).narrow(0, 1, tokens.shape[1] - 1).data<float>().ToArray();
                return value;
            }, point);
            using ActivationStore store = ActivationStore.Open(Path.Combine(sample.Path, point.ToString()));
            float[] actual = store.Read(1000).First().Values;
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5f);
        }
    }

    private ImmutableArray<StoreManifest> Extract(ExtractionConfig config, ActivationSource source, TokenizedCorpus corpus, bool resume = false) =>
        ActivationExtractor.Extract(config, source, corpus, sample.Path, resume, cancellation: TestContext.Current.CancellationToken);

    private static TokenizedCorpus Corpus()
    {
        var random = new SeededRandom(3);
        TokenizedDocument[] documents = [.. Enumerable.Range(0, SampleStore.Documents).Select(index => new TokenizedDocument(index, [.. Enumerable.Range(0, 2 + random.Next(25)).Select(_ => 1 + random.Next(Vocabulary - 1))]))];
        return new([.. documents], new CorpusIdentity("texts", null, "22", documents.Length, 1234), "11", 0);
    }

    // A cheap model: what it shows of a token depends on the hook, the token and its position.
    private static ActivationSource Simulated(params string[] hooks) => new(new("simulated", "00"), [.. hooks.Select(hook => new HookedWidth(hook, 3))], 16, Vocabulary, (contexts, receive) =>
    {
        for (int hook = 0; hook < hooks.Length; hook++)
        {
            int which = hook;
            receive(hook, contexts.SelectMany(context => context.Tokens.Zip(context.Positions, (token, position) => RowOf(which, token, position)).SelectMany(row => row)).ToArray());
        }
    });

    private static float[] RowOf(int hook, int token, int position) => [token + hook, MathF.Sqrt(position + 2), token * 0.1f - position];
}
