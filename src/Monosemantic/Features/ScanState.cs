using System.Runtime.InteropServices;

namespace Monosemantic.Features;

/// <summary>Arrays of plain values in a scan's saved state: their length, then their bytes.</summary>
internal static class ScanState
{
    internal static void WriteAll<T>(this BinaryWriter state, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        state.Write(values.Length);
        state.Write(MemoryMarshal.AsBytes(values));
    }

    internal static T[] ReadAll<T>(this BinaryReader state)
        where T : unmanaged
    {
        var values = new T[state.ReadInt32()];
        state.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    internal static void WriteContext(this BinaryWriter state, ContextEvidence context)
    {
        state.Write(context.Document);
        state.Write(context.Start);
        state.Write(context.Peak);
        state.WriteAll(context.Tokens.AsSpan());
        state.WriteAll(context.Activations.AsSpan());
    }

    internal static ContextEvidence ReadContext(this BinaryReader state) =>
        new(state.ReadInt32(), state.ReadInt32(), state.ReadInt32(), ImmutableCollectionsMarshal.AsImmutableArray(state.ReadAll<int>()), ImmutableCollectionsMarshal.AsImmutableArray(state.ReadAll<float>()));
}
