namespace Monosemantic.Activations;

/// <summary>Work on rows that threads share. What comes out does not depend on how many there are.</summary>
internal static class ParallelRows
{
    // Less than that is done before another thread has begun; and a few threads take all that memory gives.
    private const int LeastBytes = 1 << 19, MostThreads = 4;

    /// <summary>Does something with each of some rows, in ranges.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="rowBytes">Bytes of one.</param>
    /// <param name="work">Takes the first row of a range and the one after its last.</param>
    public static void For(int rows, int rowBytes, Action<int, int> work)
    {
        int shares = (int)Math.Clamp((long)rows * rowBytes / LeastBytes, 1, Math.Min(MostThreads, Environment.ProcessorCount));
        if (shares == 1) work(0, rows);
        else Parallel.For(0, shares, share => work((int)((long)rows * share / shares), (int)((long)rows * (share + 1) / shares)));
    }
}

/// <summary>
/// In which order the rows of a window are fetched: for each stretch of places in the random order, by where they lie. So the
/// processor finds its way through the mapped pages in one direction, which costs it half of what leaping does.
/// </summary>
/// <param name="order">Which row comes first, second and so on [n].</param>
internal sealed class VisitOrder(int[] order)
{
    private const int Stretch = 2048;
    private readonly int[] places = PlacesByRow(order);

    /// <summary>The places first to first + count - 1, in the order in which they are best visited; some others may be among them.</summary>
    public ReadOnlySpan<int> Places(int first, int count)
    {
        int from = first / Stretch * Stretch, to = Math.Min(places.Length, (first + count + Stretch - 1) / Stretch * Stretch);
        return places.AsSpan(from, to - from);
    }

    private static int[] PlacesByRow(int[] order)
    {
        int[] placeOf = new int[order.Length], result = new int[order.Length];
        for (int place = 0; place < order.Length; place++) placeOf[order[place]] = place;
        int[] next = [.. Enumerable.Range(0, (order.Length + Stretch - 1) / Stretch).Select(stretch => stretch * Stretch)];
        foreach (int place in placeOf) result[next[place / Stretch]++] = place;
        return result;
    }
}
