using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>Which rows the groups of one split give in the end: outliers and what is over the limit left out.</summary>
internal sealed class LiveSplit
{
    private readonly SplitSchedule schedule;
    // Places of the outliers in the groups that have any.
    private readonly Dictionary<int, HashSet<int>> outliers = [];
    private readonly List<long> firstRows = [0];

    public LiveSplit(LiveActivations live, SplitSchedule schedule, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        this.schedule = schedule;
        if (live.Plan.Outliers is not null) FindOutliers(live, progress, cancellation);
        for (int group = 0; group < schedule.Groups; group++)
        {
            long kept = schedule.FirstRow(group + 1) - schedule.FirstRow(group) - (outliers.TryGetValue(group, out HashSet<int>? left) ? left.Count : 0);
            firstRows.Add(Math.Min(schedule.RowLimit, firstRows[^1] + kept));
        }
        BlockStarts = [.. firstRows.Concat(ShardStarts(live.Plan.RowsPerShard)).Distinct().Order()];
    }

    /// <summary>Number of rows.</summary>
    public long Rows => firstRows[^1];

    /// <summary>Number of groups.</summary>
    public int Groups => schedule.Groups;

    /// <summary>Where the blocks of a store begin that holds the same rows, and the number of rows.</summary>
    public long[] BlockStarts { get; }

    /// <summary>Number of the first row of a group.</summary>
    public long FirstRow(int group) => firstRows[group];

    /// <summary>The group that gives a row.</summary>
    public int GroupOf(long row)
    {
        int found = firstRows.BinarySearch(row);
        if (found < 0) return ~found - 1;
        while (found + 1 < firstRows.Count && firstRows[found + 1] == row) found++;
        return found;
    }

    /// <summary>The contexts of a group.</summary>
    public KeptRows At(int group) => schedule.At(group);

    /// <summary>The places in a group of the rows that it gives.</summary>
    public int[] PlacesOf(int group, KeptRows rows)
    {
        int count = (int)(firstRows[group + 1] - firstRows[group]);
        IEnumerable<int> places = Enumerable.Range(0, rows.Count);
        if (outliers.TryGetValue(group, out HashSet<int>? left)) places = places.Where(place => !left.Contains(place));
        return [.. places.Take(count)];
    }

    private IEnumerable<long> ShardStarts(int rowsPerShard)
    {
        for (long start = rowsPerShard; start < Rows; start += rowsPerShard) yield return start;
    }

    private void FindOutliers(LiveActivations live, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        int group = 0;
        foreach (KeptRows rows in schedule.From(0))
        {
            cancellation.ThrowIfCancellationRequested();
            HashSet<int> found = [];
            if (rows.Count > 0) live.Compute(rows, (_, isOutlier) => found.UnionWith(Enumerable.Range(0, rows.Count).Where(row => isOutlier[row])));
            if (found.Count > 0) outliers[group] = found;
            group++;
            progress?.Report(new ProgressReport("find outliers", schedule.FirstRow(group), schedule.Candidates, "rows"));
        }
    }
}
