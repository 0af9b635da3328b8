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
}
