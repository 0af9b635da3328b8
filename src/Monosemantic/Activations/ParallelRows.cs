namespace Monosemantic.Activations;

/// <summary>Work on rows that threads share. What comes out does not depend on how many there are.</summary>
internal static class ParallelRows
{
    /// <summary>Bytes that are worth a thread: less is done before another one has begun.</summary>
    public const int LeastBytes = 1 << 19;

    // A few take all that memory gives.
    private const int MostThreads = 4;

    /// <summary>Threads that copying gains from.</summary>
    public static int Threads => Math.Min(MostThreads, Environment.ProcessorCount);

    /// <summary>Does something with each of some rows, in ranges.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="rowBytes">Bytes of one.</param>
    /// <param name="work">Takes the first row of a range and the one after its last.</param>
    public static void For(int rows, int rowBytes, Action<int, int> work)
    {
        int shares = (int)Math.Clamp((long)rows * rowBytes / LeastBytes, 1, Threads);
        if (shares == 1) work(0, rows);
        else Parallel.For(0, shares, share => work((int)((long)rows * share / shares), (int)((long)rows * (share + 1) / shares)));
    }
}
