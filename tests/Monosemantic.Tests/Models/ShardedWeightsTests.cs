using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Weights in several files, with an index that says which tensor is in which.</summary>
public sealed class ShardedWeightsTests : IDisposable
{
    private const string First = "model-00001-of-00002.safetensors", Second = "model-00002-of-00002.safetensors";
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly FamilyModel whole = new("llama");
    private readonly JsonObject index;

    public ShardedWeightsTests()
    {
        using var scope = NewDisposeScope();
        File.WriteAllText(Path.Combine(folder, "config.json"), whole.Case.Config.ToJsonString());
        KeyValuePair<string, Tensor>[] weights = [.. whole.Case.Weights()];
        SafetensorsWriter.Write(Path.Combine(folder, First), weights.Take(7));
        SafetensorsWriter.Write(Path.Combine(folder, Second), weights.Skip(7));
        var map = new JsonObject(weights.Select((pair, i) => KeyValuePair.Create(pair.Key, (JsonNode?)(i < 7 ? First : Second))));
        index = new() { ["metadata"] = new JsonObject { ["total_size"] = 4 * weights.Sum(pair => pair.Value.numel()) }, ["weight_map"] = map };
        WriteIndex();
    }

    public void Dispose()
    {
        whole.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_sharded_model_is_the_same_as_in_one_file()
    {
        using var model = Transformer.Load(folder);
        Assert.Empty(model.Warnings);
        using Tensor sharded = model.Forward(whole.Tokens), single = whole.Model.Forward(whole.Tokens);
        Assert.True(sharded.bytes.SequenceEqual(single.bytes));
        Assert.NotEqual(whole.Model.Sha256, model.Sha256);
    }

    [Fact]
    public void Every_missing_shard_is_named()
    {
        File.Delete(Path.Combine(folder, First));
        File.Delete(Path.Combine(folder, Second));
        string message = Refusal();
        Assert.Contains(First, message);
        Assert.Contains(Second, message);
    }

    [Fact]
    public void A_tensor_that_is_not_in_its_shard_is_named()
    {
        index["weight_map"]!["lm_head.weight"] = First;
        WriteIndex();
        Assert.Contains("lm_head.weight", Refusal());
    }

    [Fact]
    public void A_tensor_that_is_in_no_shard_is_named()
    {
        index["weight_map"]!["model.layers.9.mlp.up_proj.weight"] = First;
        WriteIndex();
        Assert.Contains("model.layers.9.mlp.up_proj.weight", Refusal());
    }

    [Fact]
    public void A_tensor_that_the_index_does_not_know_is_named()
    {
        index["weight_map"]!.AsObject().Remove("model.norm.weight");
        WriteIndex();
        Assert.Contains("model.norm.weight", Refusal());
    }

    [Fact]
    public void A_tensor_in_two_shards_is_named()
    {
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(Path.Combine(folder, "third.safetensors"), [KeyValuePair.Create("model.norm.weight", ones(16))]);
        index["weight_map"]!["model.norm.weight"] = "third.safetensors";
        WriteIndex();
        Assert.Contains("model.norm.weight in ", Refusal());
    }

    [Theory]
    [InlineData("../outside.safetensors")]
    [InlineData("/outside.safetensors")]
    [InlineData("..")]
    public void A_shard_outside_the_folder_is_refused(string shard)
    {
        index["weight_map"]!["model.norm.weight"] = shard;
        WriteIndex();
        Assert.Contains($"'{shard}'", Refusal());
    }

    [Fact]
    public void A_shard_that_was_cut_short_is_named()
    {
        string path = Path.Combine(folder, Second);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^4]);
        Assert.Contains(Second, Refusal());
    }

    [Fact]
    public void A_total_that_does_not_fit_is_a_warning()
    {
        index["metadata"]!["total_size"] = 12;
        WriteIndex();
        using var model = Transformer.Load(folder);
        Assert.Contains("total_size is 12", Assert.Single(model.Warnings));
    }

    private void WriteIndex() => File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), index.ToJsonString());

    private string Refusal() => Assert.Throws<UserErrorException>(() => Transformer.Load(folder)).Message;
}
