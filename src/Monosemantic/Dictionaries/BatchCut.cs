namespace Monosemantic.Dictionaries;

/// <summary>
/// The largest activations of a whole batch (BatchTopK). Rows first give their candidates, everything above a bar that
/// starts a little below the last batch's smallest kept value; then the batch is cut to its largest. Where the candidates
/// turn out too few the rows are asked again from 0, so that the guess changes the time, never the result.
/// </summary>
internal sealed class BatchCut
{
    private const float GuessShare = 0.9f;
    private ulong[] keys = [];
    private float guess;

    /// <summary>What candidates must be above.</summary>
    internal float Bar => guess;

    /// <summary>Lowers the bar, which was too high; in steps, as everything above 0 may be half of all there is.</summary>
    internal void Lower() => guess = guess > float.Epsilon * 1024 ? guess * 0.25f : 0;

    /// <summary>Sets the bar from a few rows of the batch, where nothing is known yet.</summary>
    /// <param name="ranks">The positive ranks of those rows.</param>
    /// <param name="keep">How many of them would be kept.</param>
    internal void Guess(List<ulong> ranks, int keep) =>
        guess = keep < ranks.Count && keep > 0 ? RankOrder.ValueOf(RankOrder.NthLargest(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ranks), keep - 1)) * GuessShare : 0;

    /// <summary>Keeps the largest of the candidates in all tiles.</summary>
    /// <param name="code">The candidates; cut in place.</param>
    /// <param name="keep">How many entries to keep at most.</param>
    /// <param name="scales">What an entry's pre-activation is multiplied by to rank it [d_sae]; null for 1.</param>
    /// <returns>False where more candidates are needed.</returns>
    internal unsafe bool Apply(CodeBuilder code, long keep, float* scales)
    {
        int count = checked((int)code.Count);
        if (count < keep && guess > 0) return false;
        if (count <= keep)
        {
            guess = 0;
            return true;
        }
        if (keys.Length < count) keys = new ulong[count + (count / 8)];
        Collect(code, scales);
        // Ties go to the entry that comes first, so that exactly `keep` remain.
        ulong least = keep == 0 ? ulong.MaxValue : RankOrder.NthLargest(keys.AsSpan(0, count), (int)keep - 1);
        guess = keep == 0 ? 0 : RankOrder.ValueOf(least) * GuessShare;
        int order = 0;
        for (int i = 0; i < code.TileCount; i++) order = Cut(code.Tile(i), scales, least, order);
        return true;
    }

    private unsafe void Collect(CodeBuilder code, float* scales)
    {
        int at = 0;
        for (int i = 0; i < code.TileCount; i++)
        {
            TileEntries tile = code.Tile(i);
            for (int entry = 0; entry < tile.Count; entry++, at++) keys[at] = RankOrder.Key(Rank(tile, entry, scales), at);
        }
    }

    private static unsafe int Cut(TileEntries tile, float* scales, ulong least, int order)
    {
        int left = 0, entry = 0;
        for (int row = 0; row < tile.RowEnds.Count; row++)
        {
            for (; entry < tile.RowEnds[row]; entry++, order++)
            {
                if (RankOrder.Key(Rank(tile, entry, scales), order) < least) continue;
                (tile.Features[left], tile.Pres[left], tile.Values[left]) = (tile.Features[entry], tile.Pres[entry], tile.Values[entry]);
                left++;
            }
            tile.RowEnds[row] = left;
        }
        tile.Truncate(left);
        return order;
    }

    private static unsafe float Rank(TileEntries tile, int entry, float* scales) => scales == null ? tile.Pres[entry] : tile.Pres[entry] * scales[tile.Features[entry]];
}
