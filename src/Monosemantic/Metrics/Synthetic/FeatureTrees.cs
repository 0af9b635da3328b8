using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>
/// Which feature is whose parent. Trees are filled breadth-first with features in their order: all roots, then each parent's
/// children level by level; features left over are in no tree. Source: SAELens sae_lens/synthetic/hierarchy.
/// </summary>
internal sealed class FeatureTrees
{
    private FeatureTrees(int[] parents, int[] depths, bool[] exclusive)
    {
        (Parents, Depths, Exclusive) = (parents, depths, exclusive);
        FirstChild = new int[parents.Length];
        ChildCount = new int[parents.Length];
        for (int i = parents.Length - 1; i >= 0; i--)
        {
            if (parents[i] < 0) continue;
            FirstChild[parents[i]] = i;
            ChildCount[parents[i]]++;
        }
    }

    /// <summary>Parent of each feature [n]; -1 for roots and for features in no tree.</summary>
    public int[] Parents { get; }

    /// <summary>Depth of each feature [n]: 0 for roots and for features in no tree.</summary>
    public int[] Depths { get; }

    /// <summary>Whether at most one child of a feature fires at a time [n].</summary>
    public bool[] Exclusive { get; }

    /// <summary>First child of each feature [n]; its children follow each other.</summary>
    public int[] FirstChild { get; }

    /// <summary>Number of children of each feature [n].</summary>
    public int[] ChildCount { get; }

    /// <summary>Builds the trees.</summary>
    /// <param name="features">Number of features.</param>
    /// <param name="config">Their shape; null for no tree.</param>
    /// <param name="seed">Seed of the choice of exclusive parents.</param>
    internal static FeatureTrees Build(int features, HierarchyConfig? config, long seed)
    {
        int[] parents = new int[features], depths = new int[features];
        bool[] exclusive = new bool[features];
        Array.Fill(parents, -1);
        if (config is null) return new(parents, depths, exclusive);
        int next = Math.Min(config.TotalRootNodes, features);
        for (int parent = 0; parent < next && next < features; parent++)
        {
            if (depths[parent] >= config.MaxDepth) break;
            for (int child = 0; child < config.BranchingFactor && next < features; child++, next++) (parents[next], depths[next]) = (parent, depths[parent] + 1);
        }
        var trees = new FeatureTrees(parents, depths, exclusive);
        int[] eligible = [.. Enumerable.Range(0, features).Where(i => trees.ChildCount[i] >= 2)];
        new SeededRandom(seed).Shuffle(eligible.AsSpan());
        foreach (int parent in eligible.Take((int)(eligible.Length * config.MutuallyExclusivePortion))) exclusive[parent] = true;
        return trees;
    }

    /// <summary>
    /// Probabilities raised so that gating lowers them back to first order: c = 1 / p_parent, times 1 + (S - p) / p_parent in an
    /// exclusive group whose probabilities add up to S; at most 1.
    /// </summary>
    /// <param name="probabilities">Base probabilities [n].</param>
    internal double[] Compensated(double[] probabilities) =>
    [
        .. probabilities.Select((p, i) =>
        {
            int parent = Parents[i];
            if (parent < 0) return p;
            double above = probabilities[parent], factor = 1 / above;
            if (Exclusive[parent]) factor *= 1 + ((probabilities.AsSpan(FirstChild[parent], ChildCount[parent]).ToArray().Sum() - p) / above);
            return Math.Min(1, p * factor);
        }),
    ];
}
