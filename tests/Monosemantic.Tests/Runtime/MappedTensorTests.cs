using System.Text;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

/// <summary>Tensors over mapped files. Alone, because they count what the whole process holds mapped.</summary>
[Collection(Alone.Name)]
public sealed class MappedTensorTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_view_outlives_its_file_and_lets_go_of_it_with_the_last_tensor()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.randn(300, 7);
        SafetensorsWriter.Write(path, [new("w", weights)]);
        int before = MappedTensor.Count;
        torch.Tensor view, row;
        using (SafetensorsFile file = SafetensorsFile.Open(path)) view = file.View("w");
        File.Delete(path);
        Assert.Equal(before + 1, MappedTensor.Count);
        row = view[299];
        view.Dispose();
        Assert.Equal(before + 1, MappedTensor.Count);
        Assert.True(row.bytes.SequenceEqual(weights[299].bytes));
        row.Dispose();
        Assert.Equal(before, MappedTensor.Count);
    }

    [Fact]
    public void Writing_to_a_view_changes_neither_the_file_nor_another_view()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.ones(5);
        SafetensorsWriter.Write(path, [new("w", weights)]);
        byte[] before = File.ReadAllBytes(path);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using torch.Tensor first = file.View("w"), second = file.View("w");
        first.fill_(3);
        Assert.Equal(15, first.sum().item<float>());
        Assert.Equal(5, second.sum().item<float>());
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_view_that_is_not_aligned_is_a_copy()
    {
        string path = Path.Combine(folder, "a.safetensors"), header = """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}""";
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)header.Length), .. Encoding.ASCII.GetBytes(header), 9, .. BitConverter.GetBytes(1.5f)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        int before = MappedTensor.Count;
        using torch.Tensor copy = file.View("b"), bytes = file.View("a");
        Assert.Equal(1.5f, copy.item<float>());
        Assert.Equal(9, bytes.item<byte>());
        Assert.Equal(before + 1, MappedTensor.Count);
    }

    [Fact]
    public void A_file_larger_than_a_span_is_opened_and_read_in_part()
    {
        string path = Path.Combine(folder, "big.safetensors");
        const long rows = 3_000_000, columns = 256, length = rows * columns * 4;
        string header = $$$"""{"w":{"dtype":"F32","shape":[{{{rows}}},{{{columns}}}],"data_offsets":[0,{{{length}}}]}}""";
        header += new string(' ', (8 - header.Length % 8) % 8);
        using (FileStream stream = File.Create(path))
        {
            stream.Write(BitConverter.GetBytes((ulong)header.Length));
            stream.Write(Encoding.ASCII.GetBytes(header));
            // Sparse: only the last row takes space on disk.
            stream.SetLength(8 + header.Length + length);
            stream.Position = stream.Length - columns * 4;
            for (int i = 0; i < columns; i++) stream.Write(BitConverter.GetBytes((float)i));
        }
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Throws<OverflowException>(() => file.Bytes("w").Length);
        using torch.Tensor last = file.ReadRows("w", rows - 2, 2), view = file.View("w");
        Assert.Equal([2, columns], last.shape);
        Assert.Equal(Enumerable.Range(0, (int)columns).Sum(), last.sum().item<float>());
        Assert.Equal(columns - 1, view[rows - 1, columns - 1].item<float>());
        Assert.Equal(0, view[rows / 2].abs().sum().item<float>());
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadRows("w", rows - 1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadRows("w", -1, 2));
    }

    [Theory]
    [InlineData(0, 11)]
    [InlineData(11, 0)]
    [InlineData(-1, 1)]
    [InlineData(5, long.MaxValue)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(1, -1)]
    public void No_byte_outside_the_file_has_an_address(long offset, long length)
    {
        string path = Path.Combine(folder, "ten");
        File.WriteAllBytes(path, new byte[10]);
        using MappedFile file = MappedFile.Open(path);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            unsafe
            {
                _ = file.At(offset, length);
            }
        });
    }
}
