namespace Monosemantic.Dictionaries;

/// <summary>
/// Work over disjoint ranges of fixed size. The ranges depend only on the sizes, never on the number of threads, so that
/// kernels which keep one result per range give the same bits however many threads there are.
/// </summary>
internal static class ParallelRanges
{
    /// <summary>Calls the body once for each range [start, end) of 0..count-1.</summary>
    internal static void For(int count, int size, int threads, Action<int, int> body)
    {
        int ranges = (count + size - 1) / size;
        if (threads == 1 || ranges <= 1)
        {
            for (int i = 0; i < ranges; i++) Run(i);
            return;
        }
        Parallel.For(0, ranges, new ParallelOptions { MaxDegreeOfParallelism = threads }, Run);

        void Run(int range) => body(range * size, Math.Min(count, (range + 1) * size));
    }

    /// <summary>The number of threads to use: as asked, or every processor where 0 is asked.</summary>
    internal static int Threads(int asked) => asked > 0 ? asked : Environment.ProcessorCount;
}
