using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Activations;

public sealed class DamagedStoreTests : IDisposable
{
    private readonly SampleStore sample = new();

    public DamagedStoreTests() => sample.Write(SampleStore.Plan(), 457);

    public void Dispose() => sample.Dispose();

    [Fact]
    public void A_whole_store_has_no_problem() => Assert.Empty(Verify());

    [Theory]
    [InlineData("shard-00003.safetensors")]
    [InlineData("shard-00003.rows.parquet")]
    public void A_flipped_bit_is_found_and_its_file_named(string name)
    {
        byte[] bytes = File.ReadAllBytes(In(name));
        bytes[bytes.Length / 2] ^= 0x10;
        File.WriteAllBytes(In(name), bytes);
        ActivationStore.Open(sample.Path).Dispose();
        Assert.Equal([$"{name} was changed: its SHA-256 is not that of the manifest"], Verify());
    }

    [Theory]
    [InlineData("shard-00001.safetensors")]
    [InlineData("shard-00004.rows.parquet")]
    public void A_missing_or_truncated_file_is_refused_and_named(string name)
    {
        using (FileStream file = File.OpenWrite(In(name))) file.SetLength(file.Length - 1);
        AssertProblem(name, "bytes, not");
        File.Delete(In(name));
        AssertProblem(name, "is missing");
    }

    [Fact]
    public void Rows_that_are_not_parquet_are_refused_when_they_are_read()
    {
        File.WriteAllBytes(In("shard-00000.rows.parquet"), new byte[new FileInfo(In("shard-00000.rows.parquet")).Length]);
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Assert.Contains("shard-00000.rows.parquet cannot be read", Assert.Throws<UserErrorException>(() => store.Read(8).First().Documents).Message, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => store.Shuffled(457, 0, StoreSplit.All).First().Tokens);
        Assert.Equal(8, store.Read(8).First().Rows);
    }

    [Fact]
    public void A_shard_of_another_shape_is_refused_when_it_is_read()
    {
        byte[] bytes = File.ReadAllBytes(In("shard-00000.safetensors"));
        string text = System.Text.Encoding.Latin1.GetString(bytes).Replace("[100,12]", "[12,100]", StringComparison.Ordinal);
        File.WriteAllBytes(In("shard-00000.safetensors"), System.Text.Encoding.Latin1.GetBytes(text));
        using ActivationStore store = ActivationStore.Open(sample.Path);
        Assert.Contains("holds F32 [12, 100]", Assert.Throws<UserErrorException>(() => store.Read(8).First()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"format_version\": 2", "\"format_version\": 3, \"new_key\": 3", "format_version 3; this build reads 2")]
    [InlineData("\"format_version\": 2", "\"format_version\": 1", "format_version 1, from before the first release")]
    [InlineData("\"format_version\": 2", "\"format\": 1", "no format_version")]
    [InlineData("\"held_out_rows\": 153", "\"held_out_rows\": 152", "do not add up")]
    [InlineData("\"held_out\": true", "\"held_out\": false", "do not add up")]
    [InlineData("\"file\": \"shard-00000", "\"file\": \"../shard-00000", "only names without a folder")]
    [InlineData("\"rows\": 457", "\"rows\": 458", "do not add up")]
    [InlineData("\"rows\": 457", "\"rows\": 457, \"colour\": 1", "colour")]
    [InlineData("\"statistics\"", "\"statistics", "manifest.json")]
    public void A_manifest_that_is_newer_or_wrong_is_refused(string find, string replace, string expected)
    {
        string text = File.ReadAllText(In("manifest.json"));
        int at = text.IndexOf(find, StringComparison.Ordinal);
        File.WriteAllText(In("manifest.json"), text[..at] + replace + text[(at + find.Length)..]);
        Assert.Contains(expected, Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_no_finished_store_says_what_it_is()
    {
        File.Delete(In("manifest.json"));
        UserErrorException unfinished = Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Path));
        Assert.Contains("unfinished", unfinished.Message, StringComparison.Ordinal);
        Assert.Contains("--resume", unfinished.Hint, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<UserErrorException>(() => ActivationStore.Open(In("nowhere"))).Message, StringComparison.Ordinal);
        Assert.Contains("not an activation store", Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Folder)).Message, StringComparison.Ordinal);
    }

    private IReadOnlyList<string> Verify() => ActivationStore.Verify(sample.Path, cancellation: TestContext.Current.CancellationToken);

    private string In(string name) => Path.Combine(sample.Path, name);

    private void AssertProblem(string name, string what)
    {
        string message = Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Path)).Message;
        Assert.Contains(name, message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
        string problem = Assert.Single(Verify());
        Assert.Contains(name, problem, StringComparison.Ordinal);
    }
}
