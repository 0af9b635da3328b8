using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

/// <summary>A dictionary so wide that its product comes in stretches of features gives the code that whole rows give.</summary>
public sealed unsafe class EncoderStretchTests
{
    private const int Width = 9001, Inputs = 6;

    public EncoderStretchTests() => TorchRuntime.Load();

    [Theory]
    [InlineData(300, 1)]
    [InlineData(300, 2)]
    [InlineData(2500, 2)]
    public void Every_selection_is_that_of_whole_rows(int rows, int threads)
    {
        Assert.Equal(3, EncoderTiles.Stretches(Width, whole: false));
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Values(rows, Inputs, 1), encoder = Values(Width, Inputs, 2), bias = Values(1, Width, 3) * 0.1f;
        nint biasAt = (nint)TensorMemory.Address(bias);
        float[] pre = [.. (x.mm(encoder.t()) + bias).data<float>()];
        using Tensor bars = full(Width, 4f);
        nint barsAt = (nint)TensorMemory.Address(bars);
        Compare(() => new TopKSelection<PlainKey>(new(biasAt), 20, Width, rectify: true), row => [.. Ranked(pre, row).Where(i => pre[(row * Width) + i] > 0).Take(20)]);
        Compare(() => new BarSelection<PlainKey>(new(biasAt), 4f), row => [.. Enumerable.Range(0, Width).Where(i => pre[(row * Width) + i] > 4)]);
        Compare(() => new ThresholdSelection(biasAt, barsAt), row => [.. Enumerable.Range(0, Width).Where(i => pre[(row * Width) + i] > 4)]);

        void Compare(Func<RowSelector> selector, Func<int, int[]> expected)
        {
            using var sae = new SaeEncoder(threads);
            var builder = new CodeBuilder();
            int seen = 0;
            for (int again = 0; again < 2; again++) Assert.True(sae.Encode(x, encoder, selector, builder, afterTile: (entries, _, count) => Interlocked.Add(ref seen, entries.RowEnds.Count == count ? count : 0)));
            Assert.Equal(2 * rows, seen);
            SparseCode code = builder.Join(rows, Width);
            for (int row = 0; row < rows; row += 7)
            {
                int[] features = code.Features[code.RowOffsets[row]..code.RowOffsets[row + 1]], wanted = [.. expected(row).Order()];
                // Rounding may decide between neighbours in rank, as the two products are summed in another order.
                Assert.InRange(features.Except(wanted).Concat(wanted.Except(features)).Count(), 0, 2);
                Assert.Equal(features.Order(), features);
                for (int at = code.RowOffsets[row]; at < code.RowOffsets[row + 1]; at++) Assert.Equal(pre[(row * Width) + code.Features[at]], code.Values[at], 1e-4f);
            }
            Assert.False(sae.Encode(x, encoder, selector, builder, most: 10));
        }
    }

    private static IEnumerable<int> Ranked(float[] pre, int row) => Enumerable.Range(0, Width).OrderByDescending(i => pre[(row * Width) + i]);

    private static Tensor Values(int rows, int columns, int seed)
    {
        var random = new SeededRandom(seed);
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
        return TensorMemory.FromFloats(values, rows, columns);
    }
}
