using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Monosemantic.Features;

/// <summary>
/// Random draws without replacement from a stream: every firing has a priority that is a hash of the seed and its place, and the
/// lowest priorities are drawn. So what is drawn depends on neither order nor batches, and every firing has the same chance.
/// </summary>
internal sealed class RandomDraws(FeatureScanOptions options)
{
    private readonly List<(ulong Priority, FiringEvidence Firing)> firings = [];

    /// <summary>The drawn contexts, lowest priority first.</summary>
    internal RankedContexts Contexts { get; } = new(options, options.GroupSample);

    /// <summary>The drawn firings, in file order.</summary>
    internal ImmutableArray<FiringEvidence> Firings()
    {
        var drawn = new FiringEvidence[firings.Count];
        for (int i = 0; i < drawn.Length; i++) drawn[i] = firings[i].Firing;
        Array.Sort(drawn, static (a, b) => a.Document != b.Document ? a.Document.CompareTo(b.Document) : a.Position.CompareTo(b.Position));
        return ImmutableCollectionsMarshal.AsImmutableArray(drawn);
    }

    /// <summary>Priority of a firing: the finaliser of SplitMix64 over seed, unit, document and position.</summary>
    internal static ulong PriorityOf(long seed, int unit, int document, int position) =>
        Mix(Mix(Mix((ulong)seed ^ 0x9E3779B97F4A7C15UL) + (uint)unit) ^ (((ulong)(uint)document << 32) | (uint)position));

    /// <summary>Whether a firing of this priority could be drawn as yet.</summary>
    internal bool Admits(ulong priority) => AdmitsFiring(priority) || Contexts.Admits(priority);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Offer(ulong priority, ScanBuffer buffer, int unit, int row, float value)
    {
        if (AdmitsFiring(priority)) Insert(priority, new(buffer.DocumentAt(row), buffer.PositionAt(row), buffer.TokenAt(row), value));
        if (Contexts.Admits(priority)) Contexts.Offer(priority, buffer, unit, row);
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
        Contexts.Save(state);
    }

    internal void Load(BinaryReader state)
    {
        for (int i = state.ReadInt32(); i > 0; i--) firings.Add((state.ReadUInt64(), new(state.ReadInt32(), state.ReadInt32(), state.ReadInt32(), state.ReadSingle())));
        Contexts.Load(state);
    }

    private bool AdmitsFiring(ulong priority) => firings.Count < options.Sample || (options.Sample > 0 && priority < firings[^1].Priority);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Insert(ulong priority, FiringEvidence firing)
    {
        int place = firings.Count;
        while (place > 0 && firings[place - 1].Priority > priority) place--;
        firings.Insert(place, (priority, firing));
        if (firings.Count > options.Sample) firings.RemoveAt(options.Sample);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
