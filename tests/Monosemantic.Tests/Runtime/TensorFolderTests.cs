using System.Text.Json;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class TensorFolderTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly string folder;

    public TensorFolderTests() => folder = Directory.CreateDirectory(Path.Combine(root, "model")).FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void One_file_and_its_shards_hold_the_same_tensors()
    {
        using torch.Tensor a = torch.randn(2, 3), b = torch.randn(4), c = torch.arange(5, dtype: torch.int64);
        SafetensorsWriter.Write(In("model-00001-of-00002.safetensors"), [new("a", a)]);
        SafetensorsWriter.Write(In("model-00002-of-00002.safetensors"), [new("b", b), new("c", c)]);
        WriteIndex(("a", "model-00001-of-00002.safetensors"), ("b", "model-00002-of-00002.safetensors"), ("c", "model-00002-of-00002.safetensors"));
        using (TensorFolder shards = TensorFolder.Open(folder)) Check(shards, 2);
        SafetensorsWriter.Write(In("model.safetensors"), [new("a", a), new("b", b), new("c", c)]);
        using TensorFolder whole = TensorFolder.Open(folder);
        Check(whole, 1);

        void Check(TensorFolder tensors, int files)
        {
            Assert.Equal(files, tensors.Files.Count());
            Assert.Equal(["a", "b", "c"], tensors.Entries.Select(entry => entry.Name).Order());
            foreach ((string name, torch.Tensor expected) in new[] { ("a", a), ("b", b), ("c", c) })
            {
                Assert.True(tensors.Contains(name));
                Assert.Equal(expected.shape, tensors.Entry(name).Shape);
                using torch.Tensor read = tensors.Read(name), view = tensors.View(name);
                Assert.True(expected.bytes.SequenceEqual(read.bytes));
                Assert.True(expected.bytes.SequenceEqual(view.bytes));
            }
            Assert.False(tensors.Contains("d"));
            Assert.Contains("no tensor named d", Assert.Throws<UserErrorException>(() => tensors.Read("d")).Message);
        }
    }

    [Fact]
    public void Shards_of_pytorch_are_read_too()
    {
        File.Copy(TorchFixtures.Path("zip_protocol2.pt"), In("pytorch_model-00001-of-00001.bin"));
        using TorchFile file = TorchFile.Open(In("pytorch_model-00001-of-00001.bin"));
        File.WriteAllText(In("pytorch_model.bin.index.json"), Index([.. file.Entries.Select(entry => (entry.Name, "pytorch_model-00001-of-00001.bin"))]));
        using TensorFolder tensors = TensorFolder.Open(folder);
        using torch.Tensor weight = tensors.Read("state.weight");
        Assert.Equal([2, 3], weight.shape);
    }

    [Fact]
    public void An_empty_folder_is_answered_with_what_it_should_hold()
    {
        Assert.Contains("model.safetensors.index.json", Refusal());
        Assert.Contains("does not exist", Assert.Throws<UserErrorException>(() => TensorFolder.Open(In("missing"))).Message);
        File.WriteAllText(In("file"), "");
        Assert.Contains("is a file", Assert.Throws<UserErrorException>(() => TensorFolder.Open(In("file"))).Message);
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        WriteShard("a.safetensors", "a");
        WriteIndex(("a", "a.safetensors"), ("b", "b.safetensors"));
        Assert.Contains("1 files that are not there: b.safetensors", Refusal());
    }

    [Fact]
    public void A_tensor_that_its_shard_lacks_is_named()
    {
        WriteShard("a.safetensors", "a");
        WriteIndex(("a", "a.safetensors"), ("b", "a.safetensors"));
        Assert.Contains("b in a.safetensors", Refusal());
    }

    [Fact]
    public void A_tensor_that_the_index_does_not_name_is_named()
    {
        WriteShard("a.safetensors", "a", "b");
        WriteIndex(("a", "a.safetensors"));
        Assert.Contains("b in a.safetensors", Refusal());
    }

    [Fact]
    public void A_tensor_in_two_shards_is_named()
    {
        WriteShard("a.safetensors", "a");
        WriteShard("b.safetensors", "b", "a");
        WriteIndex(("a", "a.safetensors"), ("b", "b.safetensors"));
        Assert.Contains("a in b.safetensors", Refusal());
    }

    [Theory]
    [InlineData("../outside.safetensors")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("sub/a.safetensors")]
    [InlineData("sub\\a.safetensors")]
    [InlineData("C:a.safetensors")]
    [InlineData("a\0.safetensors")]
    public void A_shard_by_another_name_than_that_of_a_file_here_is_refused(string name)
    {
        SafetensorsWriter.Write(Path.Combine(root, "outside.safetensors"), [new("a", torch.ones(1))]);
        WriteIndex(("a", name));
        Assert.Contains("not the plain name of a file in the same folder", Refusal());
    }

    [Fact]
    public void A_link_out_of_the_folder_is_refused_and_one_within_it_followed()
    {
        WriteShard("real.safetensors", "a");
        File.CreateSymbolicLink(In("link.safetensors"), "real.safetensors");
        WriteIndex(("a", "link.safetensors"));
        using (TensorFolder tensors = TensorFolder.Open(folder)) Assert.True(tensors.Contains("a"));

        string elsewhere = Path.Combine(root, "outside.safetensors");
        File.Move(In("real.safetensors"), elsewhere);
        File.Delete(In("link.safetensors"));
        File.CreateSymbolicLink(In("link.safetensors"), "../outside.safetensors");
        Assert.Contains("a link that leads out of the folder", Refusal());
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": 1}}""", "a is not text")]
    [InlineData("""{"weight_map": {"a": "x", "a": "x"}}""", "tensor a twice")]
    [InlineData("""{"weight_map": {}, "weight_map": {}}""", "weight_map stands in it twice")]
    [InlineData("""{"metadata": {}}""", "no weight_map")]
    [InlineData("""{"weights": {}}""", "unknown key weights")]
    [InlineData("""{"metadata": {"total_size": 1}, "weight_map": {"a": "x"}""", "end of the JSON")]
    [InlineData("""[]""", "not an object")]
    [InlineData("", "")]
    [InlineData("""{"metadata": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]], "weight_map": {}}""", "depth")]
    public void An_index_that_is_none_is_refused(string text, string said)
    {
        File.WriteAllText(In("model.safetensors.index.json"), text);
        string message = Refusal();
        Assert.Contains(said, message);
        Assert.Contains("model.safetensors.index.json", message);
    }

    private string In(string name) => Path.Combine(folder, name);

    private string Refusal() => Assert.Throws<UserErrorException>(() => TensorFolder.Open(folder)).Message;

    private void WriteShard(string name, params string[] tensors)
    {
        using torch.Tensor one = torch.ones(1);
        SafetensorsWriter.Write(In(name), tensors.Select(tensor => KeyValuePair.Create(tensor, one)));
    }

    private void WriteIndex(params (string Tensor, string File)[] map) => File.WriteAllText(In("model.safetensors.index.json"), Index(map));

    private static string Index((string Tensor, string File)[] map) =>
        JsonSerializer.Serialize(new { metadata = new { total_size = 1 }, weight_map = map.ToDictionary(pair => pair.Tensor, pair => pair.File) });
}
