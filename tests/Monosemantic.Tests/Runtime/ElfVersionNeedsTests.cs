using System.Buffers.Binary;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class ElfVersionNeedsTests
{
    private const int Flags = 0x100 + 16 + 4;

    [Fact]
    public void Only_the_flag_of_the_named_need_changes()
    {
        byte[] image = Library("GLIBCXX_3.4.32"), before = [.. image];
        Assert.True(ElfVersionNeeds.MarkWeak(image, "GLIBCXX_3.4.32"));
        int[] changed = [.. Enumerable.Range(0, image.Length).Where(i => image[i] != before[i])];
        Assert.Equal([Flags], changed);
        Assert.Equal(2, image[Flags]);
    }

    [Fact]
    public void A_library_without_the_need_is_left_alone()
    {
        byte[] image = Library("GLIBCXX_3.4.30"), before = [.. image];
        Assert.False(ElfVersionNeeds.MarkWeak(image, "GLIBCXX_3.4.32"));
        Assert.Equal(before, image);
    }

    [Fact]
    public void What_is_no_library_is_left_alone() => Assert.False(ElfVersionNeeds.MarkWeak(new byte[300], "GLIBCXX_3.4.32"));

    // The least that the format allows: a header, a version-need section of one library with one version, and its strings.
    private static byte[] Library(string version)
    {
        byte[] image = new byte[0x300];
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1 }.CopyTo(image, 0);
        Put64(image, 0x28, 0x200);
        Put16(image, 0x3a, 64);
        Put16(image, 0x3c, 2);
        // Section 0: version needs at 0x100, strings in section 1.
        Put32(image, 0x200 + 4, 0x6ffffffe);
        Put64(image, 0x200 + 0x18, 0x100);
        Put32(image, 0x200 + 0x28, 1);
        Put64(image, 0x240 + 0x18, 0x180);
        // One library with one needed version, whose name is string 5.
        Put16(image, 0x100 + 2, 1);
        Put32(image, 0x100 + 8, 16);
        Put32(image, 0x110 + 8, 5);
        Encoding.ASCII.GetBytes(version).CopyTo(image, 0x180 + 5);
        return image;
    }

    private static void Put16(byte[] image, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), value);

    private static void Put32(byte[] image, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);

    private static void Put64(byte[] image, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at), value);
}
