using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Activations;

public sealed class ActivationStoreTests : IDisposable
{
    private const int Rows = 457;
    private readonly SampleStore sample = new();

    public void Dispose() => sample.Dispose();

    [Theory]
    [InlineData(StoreDtype.F32, 1)]
    [InlineData(StoreDtype.F32, 64)]
    [InlineData(StoreDtype.F16, 64)]
    [InlineData(StoreDtype.F16, 1000)]
    [InlineData(StoreDtype.BF16, 64)]
    [InlineData(StoreDtype.Int8, 64)]
    [InlineData(StoreDtype.Int8, 1000)]
    public void Rows_read_back_in_order_with_where_they_come_from(StoreDtype dtype, int batch)
    {
        sample.Write(SampleStore.Plan(dtype: dtype), Rows);
        float[] expected = SampleStore.Rounded(SampleStore.Values(Rows, 12), 12, dtype);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        int row = 0;
        foreach (ActivationBatch read in store.Read(batch))
        {
            Assert.Equal(Math.Min(batch, Rows - row), read.Rows);
            Assert.True(read.Span.SequenceEqual(expected.AsSpan(row * 12, read.Rows * 12)));
            Assert.True(read.Values.AsSpan(0, read.Rows * 12).SequenceEqual(expected.AsSpan(row * 12, read.Rows * 12)));
            for (int i = 0; i < read.Rows; i++, row++)
            {
                Assert.Equal((SampleStore.DocumentOf(row), SampleStore.PositionOf(row), SampleStore.TokenOf(row)), (read.Documents[i], read.Positions[i], read.Tokens[i]));
            }
        }
        Assert.Equal(Rows, row);
    }

    [Fact]
    public void The_two_splits_share_no_document_and_make_up_the_whole()
    {
        StoreManifest manifest = sample.Write(SampleStore.Plan(), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        List<(int Document, int Token)> training = Identities(store.Read(50, StoreSplit.Training)), heldOut = Identities(store.Read(50, StoreSplit.HeldOut));
        Assert.NotEmpty(training);
        Assert.All(heldOut, row => Assert.True(manifest.Plan.Split.IsHeldOut(row.Document)));
        Assert.Empty(training.Select(row => row.Document).Intersect(heldOut.Select(row => row.Document)));
        Assert.Equal(Identities(store.Read(50)).Order(), training.Concat(heldOut).Order());
        Assert.Equal((training.Count, heldOut.Count), (store.RowCount(StoreSplit.Training), store.RowCount(StoreSplit.HeldOut)));
    }

    [Fact]
    public void An_epoch_holds_every_row_once_and_the_next_one_in_another_order()
    {
        sample.Write(SampleStore.Plan(), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        int n = (int)store.RowCount(StoreSplit.Training);
        float[] all = Firsts(store.Read(1000, StoreSplit.Training), n), shuffled = Firsts(store.Shuffled(32, 3, StoreSplit.Training), 2 * n);
        Assert.Equal(all.Order(), shuffled[..n].Order());
        Assert.Equal(all.Order(), shuffled[n..].Order());
        Assert.NotEqual(shuffled[..n], shuffled[n..]);
        Assert.NotEqual(all, shuffled[..n]);
    }

    [Fact]
    public void A_shuffled_row_keeps_its_origin()
    {
        sample.Write(SampleStore.Plan(dtype: StoreDtype.F16), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Dictionary<string, (int, int, int)> origins = [];
        foreach (ActivationBatch batch in store.Read(10)) for (int i = 0; i < batch.Rows; i++) origins[Values(batch, i)] = (batch.Documents[i], batch.Positions[i], batch.Tokens[i]);
        Assert.Equal(Rows, origins.Count);
        foreach (ActivationBatch batch in store.Shuffled(64, 1, StoreSplit.All).Take(10))
        {
            Assert.Equal(64, batch.Rows);
            for (int i = 0; i < batch.Rows; i++) Assert.Equal(origins[Values(batch, i)], (batch.Documents[i], batch.Positions[i], batch.Tokens[i]));
        }
    }

    [Fact]
    public void The_seed_decides_the_order()
    {
        sample.Write(SampleStore.Plan(), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        float[] first = Firsts(store.Shuffled(32, 3, StoreSplit.All), 640);
        Assert.Equal(first, Firsts(store.Shuffled(32, 3, StoreSplit.All), 640));
        Assert.Equal(first, Firsts(store.Shuffled(80, 3, StoreSplit.All), 640));
        Assert.NotEqual(first, Firsts(store.Shuffled(32, 4, StoreSplit.All), 640));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(15)]
    [InlineData(1000)]
    public void Starting_at_a_batch_gives_what_an_uninterrupted_stream_gives_there(long firstBatch)
    {
        sample.Write(SampleStore.Plan(), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        float[] whole = Firsts(store.Shuffled(31, 8, StoreSplit.Training), (int)(firstBatch + 20) * 31);
        Assert.Equal(whole[((int)firstBatch * 31)..], Firsts(store.Shuffled(31, 8, StoreSplit.Training, firstBatch), 20 * 31));
    }

    [Fact]
    public void A_batch_may_be_larger_than_an_epoch()
    {
        sample.Write(SampleStore.Plan(), 20);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        float[] rows = Firsts(store.Shuffled(50, 0, StoreSplit.All), 50);
        Assert.Equal(rows[..20].Order(), rows[20..40].Order());
    }

    [Fact]
    public void Streams_can_be_read_side_by_side_and_left_early()
    {
        sample.Write(SampleStore.Plan(), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        float[] alone = Firsts(store.Shuffled(16, 2, StoreSplit.All), 320);
        var together = new float[8][];
        Parallel.For(0, together.Length, i => together[i] = Firsts(store.Shuffled(16, 2, StoreSplit.All), 320));
        Assert.All(together, rows => Assert.Equal(alone, rows));
    }

    [Fact]
    public void A_stream_that_outlives_its_store_fails_cleanly()
    {
        sample.Write(SampleStore.Plan(), Rows);
        ActivationStore store = ActivationStore.Open(sample.Path);
        using IEnumerator<ActivationBatch> stream = store.Read(10).GetEnumerator();
        Assert.True(stream.MoveNext());
        store.Dispose();
        Assert.Throws<ObjectDisposedException>(() =>
        {
            while (stream.MoveNext()) Assert.True(stream.Current.Rows > 0);
        });
    }

    [Fact]
    public void Bad_arguments_are_refused_at_once()
    {
        sample.Write(SampleStore.Plan(heldOut: 0), Rows);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Assert.Throws<UserErrorException>(() => store.Read(0));
        Assert.Throws<UserErrorException>(() => store.Shuffled(int.MaxValue, 0, StoreSplit.All));
        Assert.Throws<UserErrorException>(() => store.Shuffled(8, 0, StoreSplit.HeldOut));
        Assert.Empty(store.Read(8, StoreSplit.HeldOut));
    }

    private static List<(int Document, int Token)> Identities(IEnumerable<ActivationBatch> batches) =>
        [.. batches.SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(i => (batch.Documents[i], batch.Tokens[i])).ToArray())];

    // The first value of each row, which tells the rows apart.
    private static float[] Firsts(IEnumerable<ActivationBatch> batches, int rows) =>
        [.. batches.SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(i => batch.Row(i)[0]).ToArray()).Take(rows)];

    private static string Values(ActivationBatch batch, int row) => string.Join(' ', batch.Row(row).ToArray());
}
