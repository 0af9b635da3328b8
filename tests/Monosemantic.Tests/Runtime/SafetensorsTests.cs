using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class SafetensorsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_was_written_reads_back_bit_for_bit()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.randn(3, 5);
        using torch.Tensor half = torch.randn(7).to(torch.float16);
        using torch.Tensor ids = torch.arange(4, dtype: torch.int64);
        using torch.Tensor scalar = torch.tensor(2.5f);
        SafetensorsWriter.Write(path, [new("w", weights), new("h", half), new("ids", ids), new("s", scalar)]);

        using SafetensorsFile file = SafetensorsFile.Open(path);

        Assert.Equal(["ids", "s", "w", "h"], file.Header.Entries.Select(entry => entry.Name));
        foreach ((string name, torch.Tensor expected) in new[] { ("w", weights), ("h", half), ("ids", ids), ("s", scalar) })
        {
            using torch.Tensor actual = file.Read(name);
            Assert.Equal(expected.shape, actual.shape);
            Assert.True(actual.bytes.SequenceEqual(expected.bytes), name);
        }
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.randn(2, 3);
        SafetensorsWriter.Write(path, [new("w", weights)]);
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path));
        }
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8)]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8)]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}""", 0)]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""["a"]""", 0)]
    public void A_header_that_lies_is_refused(string header, int dataBytes)
    {
        string path = Path.Combine(folder, "bad.safetensors");
        byte[] json = System.Text.Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. new byte[dataBytes]]);
        Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path));
    }
}
