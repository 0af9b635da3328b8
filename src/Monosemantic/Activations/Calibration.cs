using System.Collections.Immutable;
using System.Diagnostics;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What a few forward passes show of the rest: how fast they are, how much memory they take, how long rows are.</summary>
/// <param name="MedianNorms">Median norm of the first rows, for each hook point.</param>
/// <param name="RowsPerSecond">Rows in a second, their encoding included.</param>
/// <param name="PeakBytes">The most memory that this process took until after it.</param>
internal sealed record Calibration(ImmutableArray<double> MedianNorms, double RowsPerSecond, long PeakBytes)
{
    private const int RowsForMedian = 8192, LeastPasses = 2;

    /// <summary>Runs the first groups, until there are enough rows and passes.</summary>
    public static Calibration Run(ActivationSource source, ContextSchedule schedule, StoreDtype dtype, GroupActivations group)
    {
        var sink = new EncodingSink(source, dtype);
        List<double>[] norms = [.. source.Hooks.Select(_ => new List<double>())];
        double seconds = 0;
        long timed = 0;
        int passes = 0;
        foreach (KeptRows rows in Groups(schedule))
        {
            // The first pass also loads code and fills caches: it is computed twice, and the second time counts.
            if (passes == 0) group.Compute(rows, null);
            long start = Stopwatch.GetTimestamp();
            group.Compute(rows, null);
            sink.Take(group, rows.Count);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            timed += rows.Count;
            for (int hook = 0; hook < norms.Length; hook++) for (int row = 0; row < rows.Count; row++) norms[hook].Add(group.NormOf(hook, row));
            if (++passes >= LeastPasses && timed >= RowsForMedian) break;
        }
        return new([.. norms.Select(Median)], timed / Math.Max(seconds, 1e-6), ProcessMemory.Peak);
    }

    private static IEnumerable<KeptRows> Groups(ContextSchedule schedule) =>
        schedule[StoreSplit.Training].From(0).Concat(schedule[StoreSplit.HeldOut].From(0)).Where(rows => rows.Count > 0);

    private static double Median(List<double> values)
    {
        values.Sort();
        int middle = values.Count / 2;
        return values.Count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }

    /// <summary>Does with rows what a writer does, but for the writing.</summary>
    private sealed class EncodingSink(ActivationSource source, StoreDtype dtype)
    {
        private readonly RowSums[] sums = [.. source.Hooks.Select(hook => new RowSums(hook.Width))];
        private readonly byte[] bytes = new byte[dtype.RowBytes(source.Hooks.Max(hook => hook.Width))];
        private readonly float[] stored = new float[source.Hooks.Max(hook => hook.Width)];

        public void Take(GroupActivations group, int rows)
        {
            for (int hook = 0; hook < sums.Length; hook++)
            {
                int width = source.Hooks[hook].Width;
                for (int row = 0; row < rows; row++)
                {
                    Span<byte> target = bytes.AsSpan(0, dtype.RowBytes(width));
                    float scale = RowCodec.Encode(dtype, group.Values[hook].AsSpan(row * width, width), target);
                    RowCodec.Decode(dtype, target, scale, stored.AsSpan(0, width));
                    _ = sums[hook].Add(stored.AsSpan(0, width));
                }
            }
        }
    }
}
