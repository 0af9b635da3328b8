using CsCheck;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Activations;

public sealed class ShuffledReadingTests : IDisposable
{
    private const int Rows = 457, DModel = 2;
    private readonly SampleStore sample = new();

    public ShuffledReadingTests() => sample.Write(SampleStore.Plan(DModel, rowsPerShard: 60), Rows, chunk: 13);

    public void Dispose() => sample.Dispose();

    [Fact]
    public void Every_row_comes_once_an_epoch_whatever_the_buffer_and_the_batch()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Gen.Select(Gen.Int[1, 600], Gen.Int[1, 100], Gen.Long, Gen.Enum<StoreSplit>()).Sample((buffer, batch, seed, split) =>
        {
            float[] expected = [.. Rest(store.Read(1000, split)).Order()];
            Assert.Equal(expected, Rest(store.Shuffled(batch, buffer, seed, split, epochs: 1)).Order());
            float[] two = [.. Rest(store.Shuffled(batch, buffer, seed, split, epochs: 2))];
            Assert.Equal(expected, two[..expected.Length].Order());
            Assert.Equal(expected, two[expected.Length..].Order());
        }, iter: 60, threads: 1);
    }

    [Fact]
    public void Any_batch_can_be_the_first()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Gen.Select(Gen.Int[1, 600], Gen.Int[1, 100], Gen.Long, Gen.Int[0, 60]).Sample((buffer, batch, seed, first) =>
        {
            string[] whole = Take(store.Shuffled(batch, buffer, seed), first + 5)[first..];
            Assert.Equal(whole, Take(store.Shuffled(batch, buffer, seed, firstBatch: first), 5));
            Assert.StartsWith($"{first}: ", whole[0], StringComparison.Ordinal);
        }, iter: 60, threads: 1);
    }

    [Fact]
    public void A_window_holds_no_more_than_the_buffer_and_rows_from_all_over()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        const int buffer = 64;
        float[] all = [.. Rest(store.Read(1000))], mixed = [.. Rest(store.Shuffled(1, buffer, 5, epochs: 1))];
        int[] places = [.. mixed.Select(value => Array.IndexOf(all, value))];
        // Pieces of at most a sixteenth of the buffer: 64 rows touch at least half of the eight shards.
        for (int from = 0; from + buffer <= Rows; from += buffer) Assert.InRange(places[from..(from + buffer)].Select(place => place / 60).Distinct().Count(), 4, 9);
        double distance = places.Zip(places.Skip(1)).Average(pair => Math.Abs(pair.First - pair.Second));
        Assert.InRange(distance, Rows / 3.0 * 0.85, Rows / 3.0 * 1.15);
    }

    [Theory]
    [InlineData(StoreDtype.F32)]
    [InlineData(StoreDtype.Int8)]
    public void Batches_that_several_threads_gather_hold_what_single_rows_do(StoreDtype dtype)
    {
        const int rows = 5000, width = 600;
        using var large = new SampleStore();
        large.Write(SampleStore.Plan(width, dtype, rowsPerShard: 1900), rows);
        using ActivationStore store = ActivationStore.Open(large.Path);
        // Neither the batch nor the window ends where a stretch of places does.
        using IEnumerator<ActivationBatch> single = store.Shuffled(1, 4100, 6, epochs: 1).GetEnumerator();
        foreach (ActivationBatch batch in store.Shuffled(1333, 4100, 6, epochs: 1))
        {
            for (int row = 0; row < batch.Rows; row++)
            {
                Assert.True(single.MoveNext());
                Assert.True(single.Current.Row(0).SequenceEqual(batch.Row(row)));
                Assert.Equal((single.Current.Documents[0], single.Current.Positions[0]), (batch.Documents[row], batch.Positions[row]));
            }
        }
        Assert.False(single.MoveNext());
        using IEnumerator<ActivationBatch> inOrder = store.Read(1).GetEnumerator();
        foreach (ActivationBatch batch in store.Read(1333))
        {
            for (int row = 0; row < batch.Rows; row++) Assert.True(inOrder.MoveNext() && inOrder.Current.Row(0).SequenceEqual(batch.Values.AsSpan(row * width, width)));
        }
    }

    [Fact]
    public void The_number_of_threads_changes_nothing()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        float[] alone = [.. Rest(store.Shuffled(16, 100, 2, epochs: 2))];
        var together = new float[8][];
        Parallel.For(0, together.Length, i => together[i] = [.. Rest(store.Shuffled(16, 100, 2, epochs: 2))]);
        Assert.All(together, rows => Assert.Equal(alone, rows));
    }

    [Fact]
    public void A_batch_that_is_gone_says_so_and_one_that_is_not_stays_after_the_end()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        ActivationBatch[] batches = [.. store.Read(20)];
        Assert.Contains("copy what has to last", Assert.Throws<InvalidOperationException>(() => batches[0].Values).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => batches[0].Documents);
        Assert.Equal(SampleStore.Values(Rows, DModel)[^1], batches[^1].Span[^1]);
        Assert.Equal(SampleStore.DocumentOf(Rows - 1), batches[^1].Documents[batches[^1].Rows - 1]);
    }

    [Fact]
    public void Rows_in_order_are_not_copied_and_stay_readable_when_the_store_is_closed()
    {
        ActivationStore store = ActivationStore.Open(sample.Path);
        using IEnumerator<ActivationBatch> stream = store.Read(20).GetEnumerator();
        Assert.True(stream.MoveNext());
        ActivationBatch batch = stream.Current;
        store.Dispose();
        Assert.Equal(SampleStore.Values(Rows, DModel)[..40], batch.Span.ToArray());
        Assert.Equal(batch.Span.ToArray(), batch.Values);
    }

    [Fact]
    public void A_buffer_without_a_row_is_refused()
    {
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Assert.Contains("buffer is 0 rows", Assert.Throws<UserErrorException>(() => store.Shuffled(8, 0, 0L)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => store.Shuffled(8, 10, 0L, firstBatch: -1));
    }

    private static string[] Take(IEnumerable<ActivationBatch> batches, int count) =>
        [.. batches.Take(count).Select(batch => $"{batch.Index}: {string.Join(' ', batch.Span.ToArray())}")];

    // The first value of each row, which tells the rows apart.
    private static IEnumerable<float> Rest(IEnumerable<ActivationBatch> batches) => batches.SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(i => batch.Row(i)[0]).ToArray());
}
