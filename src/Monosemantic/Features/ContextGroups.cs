using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>Sorts randomly drawn contexts into fifths of a unit's firings by activation.</summary>
internal static class ContextGroups
{
    private const int Groups = 5;

    /// <summary>
    /// The groups that have a context, the strongest first. Their bounds are those of the sketch's buckets; firings of one
    /// bucket stay together, so that a group can be larger than a fifth, or missing.
    /// </summary>
    internal static ImmutableArray<ContextGroup> Of(QuantileSketch sketch, IEnumerable<ContextEvidence> drawn, float max, long firings, FeatureScanOptions options)
    {
        ContextEvidence[] all = [.. drawn];
        var groups = ImmutableArray.CreateBuilder<ContextGroup>();
        int below = -1;
        for (int i = 1; i <= Groups; i++)
        {
            int first = below + 1, last = sketch.BucketAt((double)i / Groups);
            if (last < first) continue;
            below = last;
            ContextEvidence[] members = [.. all.Where(context => Bucket(context) is var bucket && bucket >= first && bucket <= last).Take(options.GroupContexts)];
            if (members.Length == 0) continue;
            Array.Sort(members, StrongestContexts.Order);
            double low = Math.Max(QuantileSketch.Edge(first), sketch.Min), high = Math.Min(QuantileSketch.Edge(last + 1), max);
            groups.Add(new(low, high, (double)sketch.CountIn(first, last) / firings, [.. members]));
        }
        groups.Reverse();
        return groups.ToImmutable();
    }

    private static int Bucket(ContextEvidence context) => QuantileSketch.BucketOf(context.Activations[context.Peak]);
}
