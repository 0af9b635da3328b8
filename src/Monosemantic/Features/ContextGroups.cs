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
    internal static ImmutableArray<ContextGroup> Of(QuantileSketch sketch, RankedContexts drawn, float max, long firings, FeatureScanOptions options)
    {
        int[] buckets = [.. Enumerable.Range(0, drawn.Count).Select(place => QuantileSketch.BucketOf(drawn.PeakAt(place)))];
        var groups = ImmutableArray.CreateBuilder<ContextGroup>();
        int below = -1;
        for (int i = 1; i <= Groups; i++)
        {
            int first = below + 1, last = sketch.BucketAt((double)i / Groups);
            if (last < first) continue;
            below = last;
            ContextEvidence[] members = [.. Enumerable.Range(0, buckets.Length).Where(place => buckets[place] >= first && buckets[place] <= last).Take(options.GroupContexts).Select(drawn.At)];
            if (members.Length == 0) continue;
            Array.Sort(members, Order);
            double low = Math.Max(QuantileSketch.Edge(first), sketch.Min), high = Math.Min(QuantileSketch.Edge(last + 1), max);
            groups.Add(new(low, high, (double)sketch.CountIn(first, last) / firings, [.. members]));
        }
        groups.Reverse();
        return groups.ToImmutable();
    }

    // The strongest first, ties in file order.
    private static int Order(ContextEvidence a, ContextEvidence b)
    {
        int byActivation = b.Activations[b.Peak].CompareTo(a.Activations[a.Peak]);
        if (byActivation != 0) return byActivation;
        return a.Document != b.Document ? a.Document.CompareTo(b.Document) : (a.Start + a.Peak).CompareTo(b.Start + b.Peak);
    }
}
