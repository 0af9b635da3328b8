using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class FileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    private sealed record Settings
    {
        public required int K { get; init; }

        public string Name { get; init; } = "none";
    }

    private sealed record Pair(string Name, long Count);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        string path = Path.Combine(folder, "a.txt");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException("half-way");
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder));
    }

    [Fact]
    public void Writing_into_a_missing_folder_is_the_users_to_put_right() =>
        Assert.Throws<UserErrorException>(() => AtomicFile.WriteText(Path.Combine(folder, "no", "a.txt"), "x"));

    [Fact]
    public void A_full_disk_is_said_as_such()
    {
        var full = new IOException("No space left on device", 28);
        Assert.Contains("disk is full", AtomicFile.Explain(full, "x")!.Message);
    }

    [Theory]
    [InlineData("""{"k": 3, "kk": 4}""", "kk")]
    [InlineData("""{"name": "a"}""", "k")]
    [InlineData("""{"k": 3, "k": 4}""", "k")]
    [InlineData("""{"k": "3"}""", "k")]
    [InlineData("""{"k": 3, "name": null}""", "name")]
    [InlineData("""{"k": 3""", "")]
    [InlineData("", "")]
    public void Json_that_is_not_exactly_the_record_is_refused(string text, string named)
    {
        string path = Path.Combine(folder, "a.json");
        File.WriteAllText(path, text);
        UserErrorException error = Assert.Throws<UserErrorException>(() => JsonFile.Read<Settings>(path));
        Assert.Contains(path, error.Message);
        Assert.Contains(named, error.Message);
    }

    [Fact]
    public void A_positional_record_without_all_its_keys_is_refused()
    {
        string path = Path.Combine(folder, "pair.json");
        File.WriteAllText(path, """{"name": "a"}""");
        Assert.Contains("count", Assert.Throws<UserErrorException>(() => JsonFile.Read<Pair>(path)).Message);
    }

    [Fact]
    public void What_was_written_reads_back()
    {
        string path = Path.Combine(folder, "a.json");
        JsonFile.Write(path, new Settings { K = 7, Name = "α\u2028<" });
        Assert.Equal(new Settings { K = 7, Name = "α\u2028<" }, JsonFile.Read<Settings>(path));
    }
}
