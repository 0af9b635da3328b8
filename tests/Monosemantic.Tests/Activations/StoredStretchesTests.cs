using Monosemantic.Activations;

namespace Monosemantic.Tests.Activations;

public sealed class StoredStretchesTests : IDisposable
{
    private const int Width = 24, Rows = 40, Documents = 7, Length = 9;
    private readonly SampleStore files = new();

    // So many that threads share them; the rows of a stretch lie in two shards where one ends among them.
    [Fact]
    public void Many_are_read_as_one_by_one()
    {
        using ActivationStore store = Written();
        var stretches = new StoredStretches(store);
        (int, int)[] starts = [.. Enumerable.Range(0, 2000).Select(i => (i % Documents, i * 5 % (Rows - Length + 1)))];
        float[] all = new float[starts.Length * Length * Width];
        Assert.True(all.Length * sizeof(float) > 2 * ParallelRows.LeastBytes);
        stretches.Read(starts, Length, all);
        for (int i = 0; i < starts.Length; i++)
        {
            (int document, int first) = starts[i];
            float[] expected = [.. Enumerable.Range(0, Length * Width).Select(at => ValueAt(document, first + (at / Width), at % Width))];
            Assert.Equal(expected, all.AsSpan(i * Length * Width, Length * Width).ToArray());
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => stretches.Read(starts, Length + 1, all));
    }

    public void Dispose() => files.Dispose();

    private static float ValueAt(int document, int position, int dimension) => (document * 10_000) + (position * 100) + dimension;

    private ActivationStore Written()
    {
        using (ActivationWriter writer = ActivationWriter.Create(files.Path, SampleStore.Plan(Width, rowsPerShard: 32, heldOut: 0)))
        {
            for (int document = 0; document < Documents; document++)
            {
                float[] values = [.. Enumerable.Range(0, Rows * Width).Select(at => ValueAt(document, at / Width, at % Width))];
                writer.Add(values, [.. Enumerable.Repeat(document, Rows)], [.. Enumerable.Range(0, Rows)], [.. Enumerable.Repeat(3, Rows)]);
            }
            writer.Complete();
        }
        return ActivationStore.Open(files.Path);
    }
}
