using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>
/// The strongest contexts of one unit, no two with the same text around the peak: exactly what sorting every candidate
/// (activation descending, then document, then position) and taking the first few of distinct text would give.
/// </summary>
internal sealed class StrongestContexts(FeatureScanOptions options)
{
    private readonly List<ContextEvidence> ranked = [];

    internal ImmutableArray<ContextEvidence> Ranked => [.. ranked];

    /// <summary>Whether a candidate of this activation could still get in.</summary>
    internal bool Admits(float activation) =>
        ranked.Count < options.Contexts || (options.Contexts > 0 && activation >= Peak(ranked[^1]));

    internal void Offer(ContextEvidence candidate)
    {
        int same = ranked.FindIndex(other => KeyOf(other).SequenceEqual(KeyOf(candidate)));
        if (same >= 0)
        {
            if (Order(candidate, ranked[same]) >= 0) return;
            ranked.RemoveAt(same);
        }
        int place = ranked.FindIndex(other => Order(candidate, other) < 0);
        ranked.Insert(place < 0 ? ranked.Count : place, candidate);
        if (ranked.Count > options.Contexts) ranked.RemoveAt(ranked.Count - 1);
    }

    private static float Peak(ContextEvidence context) => context.Activations[context.Peak];

    private static int Order(ContextEvidence a, ContextEvidence b)
    {
        int byActivation = Peak(b).CompareTo(Peak(a));
        if (byActivation != 0) return byActivation;
        return a.Document != b.Document ? a.Document.CompareTo(b.Document) : (a.Start + a.Peak).CompareTo(b.Start + b.Peak);
    }

    private ReadOnlySpan<int> KeyOf(ContextEvidence context)
    {
        int first = Math.Max(0, context.Peak - options.SameTextBefore), last = Math.Min(context.Tokens.Length - 1, context.Peak + options.SameTextAfter);
        return context.Tokens.AsSpan()[first..(last + 1)];
    }
}
