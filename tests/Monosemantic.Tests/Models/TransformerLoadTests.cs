using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class TransformerLoadTests : IDisposable
{
    private static readonly TransformerConfig Shape = Gpt2.Shape(layers: 1, dModel: 8, heads: 2, vocabularySize: 11, positions: 8);
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly Dictionary<string, Tensor> weights = Gpt2.Initialise(Shape, seed: 1);

    public TransformerLoadTests() => Save(weights);

    public void Dispose()
    {
        foreach (Tensor tensor in weights.Values) tensor.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_saved_model_loads_with_the_same_weights_and_shape()
    {
        using var model = Transformer.Load(folder);
        Assert.Equivalent(Shape, model.Config);
        foreach ((string name, Tensor expected) in weights) Assert.True(model.Named[name].bytes.SequenceEqual(expected.bytes), name);
    }

    [Fact]
    public void A_model_without_the_prefix_of_its_names_loads()
    {
        Save(weights.ToDictionary(pair => pair.Key["transformer.".Length..], pair => pair.Value));
        using var model = Transformer.Load(folder);
        Assert.Equal(weights.Count, model.Named.Count);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("model.safetensors")]
    public void A_folder_without_a_needed_file_is_refused_by_its_name(string file)
    {
        File.Delete(Path.Combine(folder, file));
        UserErrorException error = Assert.Throws<UserErrorException>(() => Transformer.Load(folder));
        Assert.Contains(file, error.Message);
    }

    [Theory]
    [InlineData("model_type", "\"gpt3\"", "gpt3")]
    [InlineData("rotary_pct", "0.25", "rotary_pct")]
    [InlineData("n_head", "3", "n_head")]
    [InlineData("n_embd", "\"8\"", "n_embd")]
    [InlineData("n_layer", "0", "n_layer")]
    [InlineData("activation_function", "\"geglu\"", "geglu")]
    [InlineData("vocab_size", "12", "wte")]
    public void A_config_that_cannot_be_meant_is_refused_by_its_key(string key, string value, string named)
    {
        string path = Path.Combine(folder, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        UserErrorException error = Assert.Throws<UserErrorException>(() => Transformer.Load(folder));
        Assert.Contains(named, error.Message);
    }

    [Fact]
    public void A_tensor_that_nobody_uses_is_refused_by_its_name()
    {
        using Tensor extra = zeros(3);
        Save(weights.Append(new("transformer.h.0.extra", extra)));
        UserErrorException error = Assert.Throws<UserErrorException>(() => Transformer.Load(folder));
        Assert.Contains("transformer.h.0.extra", error.Message);
    }

    private void Save(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        JsonFile.Write(Path.Combine(folder, "config.json"), Gpt2.ConfigFile(Shape, endOfText: 10));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
    }
}
