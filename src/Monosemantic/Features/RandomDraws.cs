using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>
/// Random draws without replacement from a stream: every firing has a priority that is a hash of the seed and its place, and the
/// lowest priorities are drawn. So what is drawn depends on neither order nor batches, and every firing has the same chance.
/// </summary>
internal sealed class RandomDraws(FeatureScanOptions options)
{
    private readonly List<(ulong Priority, Firing Firing)> firings = [];
    private readonly List<(ulong Priority, (ContextEvidence Context, int Key) Drawn)> contexts = [];

    /// <summary>The drawn firings, in file order.</summary>
    internal ImmutableArray<FiringEvidence> Firings => [.. firings.Select(draw => draw.Firing.Evidence).OrderBy(firing => firing.Document).ThenBy(firing => firing.Position)];

    /// <summary>The drawn contexts, lowest priority first.</summary>
    internal IEnumerable<ContextEvidence> Contexts => contexts.Select(draw => draw.Drawn.Context);

    /// <summary>Priority of a firing: the finaliser of SplitMix64 over seed, unit, document and position.</summary>
    internal static ulong PriorityOf(long seed, int unit, int document, int position) =>
        Mix(Mix(Mix((ulong)seed ^ 0x9E3779B97F4A7C15UL) + (uint)unit) ^ (((ulong)(uint)document << 32) | (uint)position));

    /// <summary>Whether a firing of this priority could be drawn as yet.</summary>
    internal bool Admits(ulong priority) => Admits(firings, priority, options.Sample) || Admits(contexts, priority, options.GroupSample);

    internal void Offer(ulong priority, ScanBuffer buffer, int unit, int row, float value)
    {
        if (Admits(firings, priority, options.Sample)) Insert(firings, priority, new(buffer.DocumentAt(row), buffer.PositionAt(row), buffer.TokenAt(row), value), options.Sample);
        if (Admits(contexts, priority, options.GroupSample)) OfferContext(priority, buffer, unit, row);
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(firings.Count);
        foreach ((ulong priority, (int document, int position, int token, float activation)) in firings)
        {
            state.Write(priority);
            state.Write(document);
            state.Write(position);
            state.Write(token);
            state.Write(activation);
        }
        state.Write(contexts.Count);
        foreach ((ulong priority, (ContextEvidence context, _)) in contexts)
        {
            state.Write(priority);
            state.WriteContext(context);
        }
    }

    internal void Load(BinaryReader state)
    {
        for (int i = state.ReadInt32(); i > 0; i--) firings.Add((state.ReadUInt64(), new(state.ReadInt32(), state.ReadInt32(), state.ReadInt32(), state.ReadSingle())));
        for (int i = state.ReadInt32(); i > 0; i--)
        {
            ulong priority = state.ReadUInt64();
            ContextEvidence context = state.ReadContext();
            contexts.Add((priority, (context, StrongestContexts.HashOf(StrongestContexts.KeyOf(context, options)))));
        }
    }

    private void OfferContext(ulong priority, ScanBuffer buffer, int unit, int row)
    {
        ReadOnlySpan<int> key = buffer.KeyAt(row, options);
        int hash = StrongestContexts.HashOf(key), same = contexts.Count - 1;
        while (same >= 0 && !(contexts[same].Drawn.Key == hash && StrongestContexts.KeyOf(contexts[same].Drawn.Context, options).SequenceEqual(key))) same--;
        if (same >= 0)
        {
            if (contexts[same].Priority <= priority) return;
            contexts.RemoveAt(same);
        }
        Insert(contexts, priority, (buffer.ContextAt(unit, row, options), hash), options.GroupSample);
    }

    private static bool Admits<T>(List<(ulong Priority, T Value)> draws, ulong priority, int most) =>
        draws.Count < most || (most > 0 && priority < draws[^1].Priority);

    private static void Insert<T>(List<(ulong Priority, T Value)> draws, ulong priority, T value, int most)
    {
        int place = draws.Count;
        while (place > 0 && draws[place - 1].Priority > priority) place--;
        draws.Insert(place, (priority, value));
        if (draws.Count > most) draws.RemoveAt(most);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }

    /// <summary>A firing in place: there are too many of them, and they come and go too often, for each to be an object.</summary>
    private readonly record struct Firing(int Document, int Position, int Token, float Activation)
    {
        internal FiringEvidence Evidence => new(Document, Position, Token, Activation);
    }
}
