using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

public sealed class CorpusTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_text_file_is_one_document_for_each_block_between_blank_lines()
    {
        string path = Write("a.txt", "\uFEFFone\nstill one\n\n  \t\r\n\ntwo\r\nstill two\n\nthree");

        Assert.Equal(
            [new("a.txt:1", "one\nstill one"), new("a.txt:6", "two\nstill two"), new Document("a.txt:9", "three")],
            Read(path));
    }

    [Fact]
    public void JSON_lines_give_the_named_field_and_skip_empty_texts()
    {
        string path = Write("a.jsonl", "{\"body\":\"é\\n\\u00e9\"}\n\n{\"body\":\" \"}\n\"a bare string\"\n{\"other\":1,\"body\":\"last\"}");

        Assert.Equal(
            [new("a.jsonl:1", "é\né"), new("a.jsonl:4", "a bare string"), new Document("a.jsonl:5", "last")],
            Corpus.Read(new CorpusOptions { Paths = [path], TextField = "body" }, cancellation: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_JSON_array_holds_strings_or_objects()
    {
        string path = Write("a.json", "[\"one\", {\"text\": \"two\"}]");

        Assert.Equal([new("a.json:0", "one"), new Document("a.json:1", "two")], Read(path));
    }

    [Fact]
    public void A_folder_is_read_in_ordinal_order_of_relative_path()
    {
        Write("b/z.txt", "fourth");
        Write("b/a.md", "third");
        Write("B.txt", "first");
        Write("a.jsonl", "{\"text\":\"second\"}");
        Write("c.csv", "not a text of this corpus");

        Assert.Equal(["B.txt:1", "a.jsonl:1", "b/a.md:1", "b/z.txt:1"], Read(folder).Select(document => document.Name));
    }

    [Theory]
    [InlineData("a.txt")]
    [InlineData("a.jsonl")]
    [InlineData("a.json")]
    public void Bytes_that_are_not_UTF8_are_refused_with_file_and_offset(string name)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, [.. "\"é\"\n\"b"u8, 0xFF, .. "\""u8]);

        var error = Assert.Throws<UserErrorException>(() => Read(Write("fine.txt", "text"), path));

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("byte offset 7 (0x7)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":\"a\"}\n{\"text\":", "line 2")]
    [InlineData("{\"text\":\"a\"}\n{\"title\":\"a\"}", "line 2: expected an object with a string \"text\", found an object with the fields \"title\"")]
    [InlineData("{\"text\":\"a\"}\n\n{\"text\":3}", "line 3: expected an object with a string \"text\", found an object whose \"text\" is a Number")]
    [InlineData("[1]", "line 1: expected an object with a string \"text\", found a JSON Array")]
    [InlineData("{\"text\":\"\\ud800\"}", "line 1: half of a surrogate pair")]
    public void A_bad_line_is_named_by_its_number(string content, string expected)
    {
        string path = Write("a.jsonl", content);

        var error = Assert.Throws<UserErrorException>(() => Read(path));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":\"a\"}", "does not hold a JSON array")]
    [InlineData("[\"a\",\n", "line 2: not JSON")]
    [InlineData("[\"a\", 5]", "element 1: expected")]
    public void A_bad_JSON_array_is_refused(string content, string expected)
    {
        string path = Write("a.json", content);

        Assert.Contains(expected, Assert.Throws<UserErrorException>(() => Read(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.txt", "")]
    [InlineData("a.txt", "\n \n\t\n")]
    [InlineData("a.jsonl", "{\"text\":\"\"}")]
    [InlineData("a.json", "[]")]
    public void A_corpus_without_text_is_refused(string name, string content)
    {
        string path = Write(name, content);

        Assert.Contains("holds no text", Assert.Throws<UserErrorException>(() => Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_exist_is_refused_before_anything_is_read()
    {
        string absent = Path.Combine(folder, "absent.txt");

        var error = Assert.Throws<UserErrorException>(() => Corpus.Read(new CorpusOptions { Paths = [Write("a.txt", "text"), absent] }, cancellation: TestContext.Current.CancellationToken));

        Assert.Equal($"{absent} does not exist", error.Message);
    }

    [Fact]
    public void Lines_cross_buffer_boundaries_without_loss_or_gain()
    {
        var random = new Random(5);
        string[] lines = [.. Enumerable.Range(0, 300).Select(i => string.Concat(Enumerable.Repeat("aé漢😀", random.Next(0, 40))))];
        byte[] bytes = Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n");

        foreach (int chunk in new[] { 1, 7, 1000, bytes.Length })
        {
            using var stream = new ChunkedStream(bytes, chunk);
            Assert.Equal(lines, Utf8Lines.Read(stream, "lines", 1024).Select(line => line.Text));
        }
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(11, false)]
    public void A_line_over_the_limit_is_refused(int length, bool fits)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("short\n" + new string('a', length) + "\n"));
        if (fits) Assert.Equal(2, Utf8Lines.Read(stream, "lines", 10).Count());
        else Assert.Contains("line 2 is longer than 10 bytes", Assert.Throws<UserErrorException>(() => Utf8Lines.Read(stream, "lines", 10).Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_hash_depends_on_names_texts_and_where_they_end()
    {
        string[] hashes = [.. new Document[][]
        {
            [new("a", "b"), new("c", "d")],
            [new("a", "b"), new("cd", "")],
            [new("ab", ""), new("c", "d")],
            [new("c", "d"), new("a", "b")],
            [new("a", "b")],
        }.Select(documents => Identify(documents).Sha256)];

        Assert.Equal(hashes.Length, hashes.Distinct().Count());
    }

    [Fact]
    public void The_hash_is_that_of_length_prefixed_UTF8()
    {
        byte[] expected = [1, 0, 0, 0, .. "n"u8, 2, 0, 0, 0, .. "é"u8];

        CorpusIdentity identity = Identify([new("n", "é")]);

        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(expected)), identity.Sha256);
        Assert.Equal((1, 1L, "a.txt", (string?)null), (identity.Documents, identity.Characters, identity.Source, identity.Version));
    }

    private CorpusIdentity Identify(Document[] documents)
    {
        using var hasher = new CorpusHasher();
        Assert.Equal(documents, hasher.Watch(documents));
        return hasher.Identify(new CorpusOptions { Paths = [Path.Combine(folder, "a.txt")] });
    }

    private static Document[] Read(params string[] paths) => [.. Corpus.Read(new CorpusOptions { Paths = [.. paths] })];

    private string Write(string name, string text)
    {
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>A stream that gives at most so many bytes at once, as pipes do.</summary>
    private sealed class ChunkedStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, chunk));
    }
}
