using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// The order in which one iteration goes through the pairs: all of them shuffled, each stretch of many batches sorted by width so
/// that a batch holds lines of nearly one length, and the batches of a stretch shuffled again. Decided by seed and iteration
/// alone.
/// </summary>
internal static class LineBatches
{
    private const int BatchesPerStretch = 64;

    // The scores of attention grow with the square of the width: a batch of very long lines holds fewer of them.
    private const long MaxSquares = 1 << 22;

    /// <summary>The iteration's batches: numbers of pairs.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="batch">Pairs per batch.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="iteration">The iteration, from 1.</param>
    internal static List<int[]> Of(LinePairs pairs, int batch, long seed, int iteration)
    {
        var random = new SeededRandom(seed, iteration);
        int[] order = [.. Enumerable.Range(0, pairs.Count)];
        random.Shuffle(order.AsSpan());
        var batches = new List<int[]>();
        foreach (int[] stretch in order.Chunk(batch * BatchesPerStretch))
        {
            int[][] sorted = [.. Cut([.. stretch.OrderBy(pairs.Width).ThenBy(pair => pair)], pairs, batch)];
            random.Shuffle(sorted.AsSpan());
            batches.AddRange(sorted);
        }
        return batches;
    }

    /// <summary>Token ids of a batch's lines and of the lines after them, both filled up to the widest with padding.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="batch">Numbers of pairs.</param>
    /// <returns>Lines and next lines [b, t] int64.</returns>
    internal static (Tensor Lines, Tensor Next) TokensOf(LinePairs pairs, int[] batch)
    {
        int width = batch.Max(pairs.Width);
        return (Padded(pairs, batch, width, 0), Padded(pairs, batch, width, 1));
    }

    private static Tensor Padded(LinePairs pairs, int[] batch, int width, int after)
    {
        var ids = new long[batch.Length * width];
        Array.Fill(ids, pairs.Vocabulary.PaddingId);
        for (int row = 0; row < batch.Length; row++)
        {
            int[] line = pairs.Lines[batch[row] + after];
            for (int i = 0; i < line.Length; i++) ids[row * width + i] = line[i];
        }
        return tensor(ids).view(batch.Length, width);
    }

    // From narrow to wide, so that a batch's last pair is its widest.
    private static IEnumerable<int[]> Cut(int[] sorted, LinePairs pairs, int batch)
    {
        int start = 0;
        for (int end = 1; end <= sorted.Length; end++)
        {
            bool full = end == sorted.Length || end - start == batch || (end - start + 1) * Square(pairs.Width(sorted[end])) > MaxSquares;
            if (!full) continue;
            yield return sorted[start..end];
            start = end;
        }
    }

    private static long Square(int width) => (long)width * width;
}
