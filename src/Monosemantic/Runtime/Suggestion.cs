namespace Monosemantic.Runtime;

/// <summary>"Did you mean": the known name that a mistyped one is closest to.</summary>
public static class Suggestion
{
    /// <summary>The nearest known name, or null where none is near (more than a third of its letters differ).</summary>
    /// <param name="given">What was typed.</param>
    /// <param name="known">The names that would have been right.</param>
    public static string? Nearest(string given, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(given);
        (string Name, int Distance)[] near = [.. known.Select(name => (name, Distance(given, name))).Where(pair => pair.Item2 <= Math.Max(1, pair.name.Length / 3))];
        return near.Length == 0 ? null : near.MinBy(pair => pair.Distance).Name;
    }

    /// <summary>Letters to insert, delete, replace or swap with their neighbour to get from one text to the other.</summary>
    internal static int Distance(string from, string to)
    {
        int[,] cost = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++) cost[i, 0] = i;
        for (int j = 0; j <= to.Length; j++) cost[0, j] = j;
        for (int i = 1; i <= from.Length; i++)
        {
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = cost[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                cost[i, j] = Math.Min(replaced, Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
            }
        }
        return cost[from.Length, to.Length];
    }
}
