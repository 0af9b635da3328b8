using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;

namespace Monosemantic.Tests.Runtime;

public sealed class ZipDirectoryTests : IDisposable
{
    private static readonly byte[] Content = [.. "hello hello hello hello hello hello"u8];

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Stored_and_deflated_entries_are_read_in_every_form(bool wideEntries, bool wideEnd)
    {
        ZipBytes.File[] files = [new("stored", Content) { Wide = wideEntries }, new("deflated", Content) { Deflate = true, Wide = wideEntries }, new("π", []) { Flags = 0x800, Wide = wideEntries }];
        using MappedFile file = Put(ZipBytes.Of(files, wideEnd, comment: "PK\x05\x06 said the comment"u8.ToArray()));
        ZipDirectory directory = ZipDirectory.Read(file);
        Assert.Equal(["stored", "deflated", "π"], directory.Entries.Select(entry => entry.Name));
        var content = new ZipContent(file, mayLackChecksums: false);
        Assert.Equal(Content, content.ReadSmall(directory.Find("stored")!, 100));
        Assert.Equal(Content, content.ReadSmall(directory.Find("deflated")!, 100));
        Assert.Empty(content.ReadSmall(directory.Find("π")!, 100));
        Assert.Null(directory.Find("other"));
        Assert.Contains("at most 10", Assert.Throws<UserErrorException>(() => content.ReadSmall(directory.Find("stored")!, 10)).Message);
    }

    public static TheoryData<string, string> Lies { get; } = new()
    {
        { "twice", "holds a twice" },
        { "encrypted", "a is encrypted" },
        { "flags", "flags 0x0020" },
        { "method", "method 12" },
        { "stored length", "claims 99 bytes in 35" },
        { "bomb", "more than deflate can hold" },
        { "beyond", "reaches past the archive's content" },
        { "overlap", "overlaps another entry" },
        { "names", "two headers that contradict" },
        { "nameless", "no name" },
        { "zero in name", "zero byte" },
        { "not ascii", "neither ASCII nor marked" },
        { "too few", "something follows the last entry" },
        { "too many", "ends within entry 1" },
        { "far too many", "claims 65,534 entries" },
        { "header outside", "begins outside" },
        { "wide outside", "begins outside" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_directory_that_lies_is_refused(string lie, string said)
    {
        using MappedFile file = Put(Liar(lie));
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => ZipDirectory.Read(file)).Message);
    }

    private static byte[] Liar(string lie)
    {
        var honest = new ZipBytes.File("a", Content);
        return lie switch
        {
            "twice" => ZipBytes.Of([honest, honest]),
            "encrypted" => ZipBytes.Of([honest with { Flags = 1 }]),
            "flags" => ZipBytes.Of([honest with { Flags = 0x20 }]),
            "method" => ZipBytes.Of([honest with { Method = 12 }]),
            "stored length" => ZipBytes.Of([honest with { Length = 99 }]),
            "bomb" => ZipBytes.Of([honest with { Deflate = true, Length = 1L << 40, Wide = true }]),
            "beyond" => ZipBytes.Of([honest with { PackedLength = 500, Length = 500 }]),
            // The second entry claims the place of the first, whose content holds a header that looks right.
            "overlap" => ZipBytes.Of([honest with { PackedLength = 80, Length = 80 }, new ZipBytes.File("b", Content)]),
            "names" => ZipBytes.Of([honest with { LocalName = "b" }]),
            "nameless" => ZipBytes.Of([honest with { Name = "" }]),
            "zero in name" => ZipBytes.Of([honest with { Name = "a\0b" }]),
            "not ascii" => ZipBytes.Of([honest with { Name = "é" }]),
            "too few" => ZipBytes.Of([honest, honest with { Name = "b" }], count: 1),
            "too many" => ZipBytes.Of([honest with { Name = new string('n', 60) }], count: 2),
            "far too many" => ZipBytes.Of([honest], count: 65_534),
            "header outside" => ZipBytes.Of([honest with { HeaderAt = 60 }]),
            _ => ZipBytes.Of([honest with { HeaderAt = long.MaxValue, Wide = true }]),
        };
    }

    [Theory]
    [InlineData("too long", "fewer bytes than it claims")]
    [InlineData("too short", "more bytes than it claims")]
    [InlineData("checksum", "checksum")]
    [InlineData("garbage", "compressed bytes are damaged")]
    [InlineData("too much", "are read")]
    public void An_entry_that_does_not_unpack_to_what_it_claims_is_refused(string lie, string said)
    {
        ZipBytes.File entry = lie switch
        {
            "too long" => new("a", Content) { Deflate = true, Length = Content.Length + 1 },
            "too short" => new("a", Content) { Deflate = true, Length = Content.Length - 1 },
            "checksum" => new("a", Content) { Deflate = true, Crc = 1 },
            "garbage" => new("a", [0xff, 0xff, 0xff, 0xff]) { Method = 8, Length = 4 },
            _ => new("a", new byte[40 << 20]) { Deflate = true },
        };
        using MappedFile file = Put(ZipBytes.Of([entry]));
        string message = Assert.Throws<UserErrorException>(() => new ZipContent(file, mayLackChecksums: false).ReadSmall(ZipDirectory.Read(file).Entries[0], int.MaxValue)).Message;
        Assert.Contains(said, message);
        Assert.Contains("a inside it", message);
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] whole = ZipBytes.Of([new("a", Content), new("b", Content) { Deflate = true }], wide: true);
        for (int length = 0; length < whole.Length; length++)
        {
            using MappedFile file = Put(whole[..length]);
            Assert.Throws<UserErrorException>(() => ZipDirectory.Read(file));
        }
    }

    private MappedFile Put(byte[] bytes)
    {
        string path = Path.Combine(folder, "a.zip");
        File.WriteAllBytes(path, bytes);
        return MappedFile.Open(path);
    }
}
