using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Monosemantic.Features;

/// <summary>
/// The few contexts of one unit that rank first, no two with the same text around the peak: exactly what sorting every
/// candidate (rank ascending, then document, then position) and taking the first few of distinct text would give.
/// </summary>
/// <remarks>
/// Contexts come and go too often for each to be an object: their tokens and activations lie in two arrays, a slot of equal
/// length for each, and what pushes a context out is written over it.
/// </remarks>
/// <param name="options">Length of a context, and what makes two of them the same text.</param>
/// <param name="most">Contexts to keep, at least 0.</param>
internal sealed class RankedContexts(FeatureScanOptions options, int most)
{
    private readonly int stride = options.Before + 1 + options.After;
    private Place[] places = [];
    private int[] tokens = [];
    private float[] activations = [];

    /// <summary>Contexts kept by now.</summary>
    internal int Count { get; private set; }

    /// <summary>Rank of a context by the activation at its peak, a positive number: the strongest first. Bits of positive floats sort as the floats do.</summary>
    internal static ulong RankOf(float activation) => ~BitConverter.SingleToUInt32Bits(activation);

    /// <summary>Whether a candidate of this rank could still get in.</summary>
    internal bool Admits(ulong rank) => Count < most || (most > 0 && rank <= places[Count - 1].Rank);

    /// <summary>Takes in the context around a firing, if it is among the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Offer(ulong rank, ScanBuffer buffer, int unit, int row)
    {
        ReadOnlySpan<int> key = buffer.KeyAt(row, options);
        int hash = HashOf(key), same = SameText(hash, key), document = buffer.DocumentAt(row), position = buffer.PositionAt(row);
        if (same >= 0)
        {
            if (!Before(rank, document, position, places[same])) return;
            Remove(same);
        }
        int at = Count;
        while (at > 0 && Before(rank, document, position, places[at - 1])) at--;
        if (at == most) return;
        int slot = Insert(at);
        (int before, int length) = buffer.CopyContext(unit, row, options, TokensIn(slot), ActivationsIn(slot));
        places[at] = new(rank, document, position, hash, slot, before, length);
    }

    /// <summary>Activation at the peak of the context of a place, the first of which is 0.</summary>
    internal float PeakAt(int place) => ActivationsIn(places[place].Slot)[places[place].Before];

    /// <summary>The context of a place.</summary>
    internal ContextEvidence At(int place)
    {
        Place of = places[place];
        return new(of.Document, of.Position - of.Before, of.Before, [.. TokensIn(of.Slot)[..of.Length]], [.. ActivationsIn(of.Slot)[..of.Length]]);
    }

    /// <summary>All contexts, by rank.</summary>
    internal ImmutableArray<ContextEvidence> All() => [.. Enumerable.Range(0, Count).Select(At)];

    internal void Save(BinaryWriter state)
    {
        state.Write(Count);
        foreach (Place of in places.AsSpan(0, Count))
        {
            state.Write(of.Rank);
            state.Write(of.Document);
            state.Write(of.Position);
            state.Write(of.Before);
            state.WriteAll<int>(TokensIn(of.Slot)[..of.Length]);
            state.WriteAll<float>(ActivationsIn(of.Slot)[..of.Length]);
        }
    }

    internal void Load(BinaryReader state)
    {
        for (int left = state.ReadInt32(); left > 0; left--)
        {
            int at = Count, slot = Insert(at);
            (ulong rank, int document, int position, int before) = (state.ReadUInt64(), state.ReadInt32(), state.ReadInt32(), state.ReadInt32());
            int[] text = state.ReadAll<int>();
            text.CopyTo(TokensIn(slot));
            state.ReadAll<float>().CopyTo(ActivationsIn(slot));
            places[at] = new(rank, document, position, 0, slot, before, text.Length);
            places[at] = places[at] with { Key = HashOf(KeyOf(places[at])) };
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int SameText(int hash, ReadOnlySpan<int> key)
    {
        int same = Count - 1;
        while (same >= 0 && !(places[same].Key == hash && KeyOf(places[same]).SequenceEqual(key))) same--;
        return same;
    }

    // The tokens around its peak that tell whether it is the same text as another.
    private ReadOnlySpan<int> KeyOf(in Place of)
    {
        int first = Math.Max(0, of.Before - options.SameTextBefore), last = Math.Min(of.Length - 1, of.Before + options.SameTextAfter);
        return TokensIn(of.Slot)[first..(last + 1)];
    }

    // Equal for the same tokens, and for few others.
    private static int HashOf(ReadOnlySpan<int> key)
    {
        uint hash = 0;
        foreach (int token in key) hash = (hash ^ (uint)token) * 0x9E3779B1u;
        return (int)hash;
    }

    private static bool Before(ulong rank, int document, int position, in Place other)
    {
        if (rank != other.Rank) return rank < other.Rank;
        return document != other.Document ? document < other.Document : position < other.Position;
    }

    // The places behind the last one hold the free slots.
    private void Remove(int at)
    {
        Place removed = places[at];
        places.AsSpan((at + 1)..Count).CopyTo(places.AsSpan(at));
        places[--Count] = removed;
    }

    // Makes a place, and tells its slot; where all are taken, the last context goes.
    private int Insert(int at)
    {
        if (Count == most) Count--;
        if (Count == places.Length) Grow();
        int slot = places[Count].Slot;
        places.AsSpan(at..Count++).CopyTo(places.AsSpan(at + 1));
        return slot;
    }

    private void Grow()
    {
        int had = places.Length, size = Math.Min(most, Math.Max(4, 2 * had));
        Array.Resize(ref places, size);
        Array.Resize(ref tokens, size * stride);
        Array.Resize(ref activations, size * stride);
        for (int slot = had; slot < size; slot++) places[slot] = places[slot] with { Slot = slot };
    }

    private Span<int> TokensIn(int slot) => tokens.AsSpan(slot * stride, stride);

    private Span<float> ActivationsIn(int slot) => activations.AsSpan(slot * stride, stride);

    /// <summary>A context but for its text.</summary>
    /// <param name="Rank">What it is ranked by.</param>
    /// <param name="Document">Document of its peak.</param>
    /// <param name="Position">Position of its peak in the document.</param>
    /// <param name="Key">Hash of the text around its peak.</param>
    /// <param name="Slot">Where its tokens and activations lie.</param>
    /// <param name="Before">Tokens before its peak.</param>
    /// <param name="Length">Tokens in all.</param>
    private readonly record struct Place(ulong Rank, int Document, int Position, int Key, int Slot, int Before, int Length);
}
