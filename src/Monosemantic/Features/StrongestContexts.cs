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

    /// <summary>Takes in a peak, if it is among the strongest.</summary>
    internal void Offer(ScanBuffer buffer, int unit, int row, float activation)
    {
        ReadOnlySpan<int> key = buffer.KeyAt(row, options);
        int hash = HashOf(key), same = keys.IndexOf(hash), document = buffer.DocumentAt(row), position = buffer.PositionAt(row);
        while (same >= 0 && !KeyOf(ranked[same], options).SequenceEqual(key)) same = keys.IndexOf(hash, same + 1);
        if (same >= 0)
        {
            if (!Before(activation, document, position, ranked[same])) return;
            ranked.RemoveAt(same);
            keys.RemoveAt(same);
        }
        int place = ranked.Count;
        while (place > 0 && Before(activation, document, position, ranked[place - 1])) place--;
        if (place == options.Contexts) return;
        ranked.Insert(place, buffer.ContextAt(unit, row, options));
        keys.Insert(place, hash);
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
            keys.Add(HashOf(KeyOf(ranked[^1], options)));
        }
    }

    /// <summary>Equal for the same tokens, and for few others.</summary>
    internal static int HashOf(ReadOnlySpan<int> key)
    {
        uint hash = 0;
        foreach (int token in key) hash = (hash ^ (uint)token) * 0x9E3779B1u;
        return (int)hash;
    }

    /// <summary>The tokens around a context's peak that tell whether it is the same text as another.</summary>
    internal static ReadOnlySpan<int> KeyOf(ContextEvidence context, FeatureScanOptions options)
    {
        int first = Math.Max(0, context.Peak - options.SameTextBefore), last = Math.Min(context.Tokens.Length - 1, context.Peak + options.SameTextAfter);
        return context.Tokens.AsSpan()[first..(last + 1)];
    }

    /// <summary>The strongest first, ties in file order.</summary>
    internal static int Order(ContextEvidence a, ContextEvidence b)
    {
        int byActivation = Peak(b).CompareTo(Peak(a));
        if (byActivation != 0) return byActivation;
        return a.Document != b.Document ? a.Document.CompareTo(b.Document) : (a.Start + a.Peak).CompareTo(b.Start + b.Peak);
    }

    private static float Peak(ContextEvidence context) => context.Activations[context.Peak];

    private static bool Before(float activation, int document, int position, ContextEvidence other)
    {
        if (activation != Peak(other)) return activation > Peak(other);
        return document != other.Document ? document < other.Document : position < other.Start + other.Peak;
    }
}
