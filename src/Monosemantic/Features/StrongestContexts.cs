using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>
/// The strongest contexts of one unit, no two with the same text around the peak: exactly what sorting every candidate
/// (activation descending, then document, then position) and taking the first few of distinct text would give.
/// </summary>
internal sealed class StrongestContexts(FeatureScanOptions options)
{
    private readonly List<ContextEvidence> ranked = [];
    private readonly List<int> keys = [];

    internal ImmutableArray<ContextEvidence> Ranked => [.. ranked];

    /// <summary>Whether a candidate of this activation could still get in.</summary>
    internal bool Admits(float activation) =>
        ranked.Count < options.Contexts || (options.Contexts > 0 && activation >= Peak(ranked[^1]));

    internal void Offer(ContextEvidence candidate)
    {
        int key = KeyHash(candidate, options), same = keys.IndexOf(key);
        while (same >= 0 && !SameText(ranked[same], candidate, options)) same = keys.IndexOf(key, same + 1);
        if (same >= 0)
        {
            if (Order(candidate, ranked[same]) >= 0) return;
            ranked.RemoveAt(same);
            keys.RemoveAt(same);
        }
        int place = ranked.Count;
        while (place > 0 && Order(candidate, ranked[place - 1]) < 0) place--;
        ranked.Insert(place, candidate);
        keys.Insert(place, key);
        if (ranked.Count <= options.Contexts) return;
        ranked.RemoveAt(options.Contexts);
        keys.RemoveAt(options.Contexts);
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(ranked.Count);
        foreach (ContextEvidence context in ranked) state.WriteContext(context);
    }

    internal void Load(BinaryReader state)
    {
        for (int i = state.ReadInt32(); i > 0; i--)
        {
            ranked.Add(state.ReadContext());
            keys.Add(KeyHash(ranked[^1], options));
        }
    }

    /// <summary>Whether two contexts hold the same text around their peaks.</summary>
    internal static bool SameText(ContextEvidence a, ContextEvidence b, FeatureScanOptions options) => KeyOf(a, options).SequenceEqual(KeyOf(b, options));

    /// <summary>Equal for contexts of the same text around their peaks, and for few others.</summary>
    internal static int KeyHash(ContextEvidence context, FeatureScanOptions options)
    {
        uint hash = 0;
        foreach (int token in KeyOf(context, options)) hash = (hash ^ (uint)token) * 0x9E3779B1u;
        return (int)hash;
    }

    /// <summary>The strongest first, ties in file order.</summary>
    internal static int Order(ContextEvidence a, ContextEvidence b)
    {
        int byActivation = Peak(b).CompareTo(Peak(a));
        if (byActivation != 0) return byActivation;
        return a.Document != b.Document ? a.Document.CompareTo(b.Document) : (a.Start + a.Peak).CompareTo(b.Start + b.Peak);
    }

    private static float Peak(ContextEvidence context) => context.Activations[context.Peak];

    private static ReadOnlySpan<int> KeyOf(ContextEvidence context, FeatureScanOptions options)
    {
        int first = Math.Max(0, context.Peak - options.SameTextBefore), last = Math.Min(context.Tokens.Length - 1, context.Peak + options.SameTextAfter);
        return context.Tokens.AsSpan()[first..(last + 1)];
    }
}
