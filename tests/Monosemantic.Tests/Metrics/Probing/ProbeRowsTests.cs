using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics.Probing;
using Monosemantic.Runtime;
using Monosemantic.Tests.Activations;
using Monosemantic.Text;

namespace Monosemantic.Tests.Metrics.Probing;

public sealed class ProbeRowsTests : IDisposable
{
    private readonly SampleStore sample = new();

    public void Dispose() => sample.Dispose();

    [Fact]
    public void The_first_rows_come_with_their_codes_and_origins()
    {
        sample.Write(SampleStore.Plan(), 400);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        using SparseAutoencoder sae = EvaluationTests.Axes(12, 3);
        ProbeRows rows = ProbeRows.Read(store, sae, StoreSplit.Training, 50, TestContext.Current.CancellationToken);
        Assert.Equal((50, 50), (rows.Rows, rows.Code.Rows));
        Assert.Equal(Enumerable.Range(0, 50).Select(SampleStore.TokenOf), rows.Tokens);
        Assert.Equal(Enumerable.Range(0, 50).Select(SampleStore.DocumentOf), rows.Documents);
        Assert.Equal(SampleStore.Values(400, 12)[(49 * 12)..(50 * 12)], rows.Row(49).ToArray());
        Assert.Equal(sae.EncodeSparse(rows.X, 50).Values[..150], rows.Code.Values);
        Assert.Equal(store.RowCount(StoreSplit.HeldOut), ProbeRows.Read(store, sae, StoreSplit.HeldOut, 10_000, TestContext.Current.CancellationToken).Rows);
    }

    [Fact]
    public void A_store_without_token_ids_or_without_a_split_is_refused_with_what_is_missing()
    {
        using (ActivationWriter writer = ActivationWriter.Create(sample.Path, SampleStore.Plan(heldOut: 0)))
        {
            writer.Add(SampleStore.Values(8, 12), new int[8], [.. Enumerable.Range(0, 8)], [.. Enumerable.Repeat(-1, 8)]);
            writer.Complete();
        }
        using ActivationStore store = ActivationStore.Open(sample.Path);
        using SparseAutoencoder sae = EvaluationTests.Axes(12, 3);
        Assert.Contains("token", Assert.Throws<UserErrorException>(() => ProbeRows.Read(store, sae, StoreSplit.Training, 50, TestContext.Current.CancellationToken)).Message);
        Assert.Contains("no held-out row", Assert.Throws<UserErrorException>(() => ProbeRows.Read(store, sae, StoreSplit.HeldOut, 50, TestContext.Current.CancellationToken)).Message);
    }

    [Fact]
    public void Tokens_that_are_not_those_of_the_text_are_refused()
    {
        const string text = "abc";
        string path = Path.Combine(sample.Folder, "text.txt");
        File.WriteAllText(path, text);
        Tokenizer tokenizer = Tokenizer.Create(CharacterVocabulary.FromText(text));
        var corpus = new CorpusOptions { Paths = [path] };
        using var hasher = new CorpusHasher();
        Assert.Single(hasher.Watch(Corpus.Read(corpus, cancellation: TestContext.Current.CancellationToken)));
        StorePlan plan = SampleStore.Plan() with { Corpus = hasher.Identify(corpus) };
        int[] ids = tokenizer.Encode(text);
        ProbeRows Rows(params int[] tokens) => new() { DModel = 1, X = new float[3], Code = RowData.Code(3, 1, [[], [], []]), Documents = new int[3], Positions = [0, 1, 2], Tokens = tokens };
        ProbeText Read(StorePlan of, params int[] tokens) => ProbeText.Read(corpus, of, tokenizer, [Rows(tokens)], null, TestContext.Current.CancellationToken);
        Assert.Equal(3, Read(plan, ids).Of(0).Count);
        Assert.Contains("in the text", Assert.Throws<UserErrorException>(() => Read(plan, ids[0], ids[0], ids[0])).Message);
        Assert.Contains("not the text", Assert.Throws<UserErrorException>(() => Read(SampleStore.Plan(), ids)).Message);
    }
}
