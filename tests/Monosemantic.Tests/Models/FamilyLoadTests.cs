using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>What every family refuses and what it reads, whatever the storage.</summary>
public sealed class FamilyLoadTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string> Families() => [.. FamilyModel.Names];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_family_is_among_the_cases() =>
        Assert.Equal(ModelFamily.All.Select(family => family.Name), ModelCases.OneOfEach.Select(one => one.Config["model_type"]!.GetValue<string>()));

    [Theory]
    [MemberData(nameof(Families))]
    public void A_key_that_nobody_knows_is_refused_by_its_name(string name) => AssertRefused(Case(name), config => config["attention_sinks"] = 4, "attention_sinks");

    [Theory]
    [MemberData(nameof(Families))]
    public void What_makes_another_kind_of_model_is_refused_by_its_key(string name)
    {
        foreach ((string key, string value) in new[] { ("add_cross_attention", "true"), ("is_encoder_decoder", "true"), ("quantization_config", "{\"bits\":4}"), ("pruned_heads", "{\"0\":[1]}") })
        {
            AssertRefused(Case(name), config => config[key] = JsonNode.Parse(value), key);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Keys_that_every_config_has_change_nothing(string name)
    {
        ModelCase one = Case(name);
        foreach ((string key, string value) in new[] { ("_name_or_path", "\"x\""), ("torch_dtype", "null"), ("dtype", "\"bfloat16\""), ("transformers_version", "\"4.57.0\""), ("eos_token_id", "[1,2]"), ("pruned_heads", "{}"), ("use_cache", "true"), ("temperature", "1.0"), ("id2label", "{\"0\":\"A\"}") })
        {
            one.Config[key] = JsonNode.Parse(value);
        }
        one.Write(folder);
        Transformer.Load(folder).Dispose();
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_tensor_is_needed_in_its_shape_and_no_other_is_allowed(string name)
    {
        ModelCase one = Case(name);
        foreach (string tensor in one.Shapes.Keys.Where(key => !key.Contains(".1.") && !key.Contains(".2.")))
        {
            AssertWeightsRefused(one, shapes => shapes.Remove(tensor), tensor);
            AssertWeightsRefused(one, shapes => shapes[tensor] = [.. shapes[tensor].SkipLast(1), shapes[tensor][^1] + 1], tensor);
        }
        AssertWeightsRefused(one, shapes => shapes["model.layers.0.extra.weight"] = [3], "model.layers.0.extra.weight");
    }

    [Theory]
    [InlineData("gpt2", "transformer.h.0.attn.bias", "transformer.h.2.attn.masked_bias", "lm_head.weight")]
    [InlineData("gpt_neo", "transformer.h.0.attn.attention.bias", "transformer.h.1.attn.attention.masked_bias", "lm_head.weight")]
    [InlineData("gpt_neox", "gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.masked_bias", "gpt_neox.layers.1.attention.rotary_emb.inv_freq")]
    [InlineData("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq", "model.rotary_emb.original_inv_freq")]
    [InlineData("gemma", "model.layers.0.self_attn.rotary_emb.inv_freq", "lm_head.weight", "model.rotary_emb.inv_freq")]
    public void Stored_buffers_and_copies_are_passed_over(string name, params string[] buffers)
    {
        using var family = new FamilyModel(name);
        ModelCase one = family.Case with { Shapes = family.Case.Shapes.Concat(buffers.Select(buffer => KeyValuePair.Create<string, long[]>(buffer, [4]))).ToDictionary() };
        one.Write(folder);
        using var model = Transformer.Load(folder);
        Assert.Equal(family.Case.Shapes.Keys.Order(), model.Named.Keys.Order());
    }

    [Theory]
    [InlineData("gpt2", "transformer.")]
    [InlineData("gpt_neo", "transformer.")]
    [InlineData("gpt_neox", "gpt_neox.")]
    [InlineData("gemma", "model.")]
    public void Files_of_the_bare_model_without_the_prefix_load(string name, string prefix)
    {
        using var family = new FamilyModel(name);
        using var scope = NewDisposeScope();
        family.Case.Write(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), family.Case.Weights().Select(pair => KeyValuePair.Create(pair.Key.StartsWith(prefix, StringComparison.Ordinal) ? pair.Key[prefix.Length..] : pair.Key, pair.Value)));
        using var bare = Transformer.Load(folder);
        Assert.True(bare.Forward(family.Tokens).bytes.SequenceEqual(family.Model.Forward(family.Tokens).bytes));
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float64)]
    public void Other_storage_gives_the_rounded_weights_in_float32(ScalarType storage)
    {
        using var family = new FamilyModel("llama", storage);
        using var scope = NewDisposeScope();
        foreach ((string name, Tensor weight) in family.Case.Weights())
        {
            Tensor read = family.Model.Named[name];
            Assert.Equal(ScalarType.Float32, read.dtype);
            Assert.True(read.bytes.SequenceEqual(weight.to(storage).to(ScalarType.Float32).bytes), name);
        }
    }

    [Fact]
    public void A_model_with_weights_that_are_not_finite_loads_with_a_warning_that_names_them()
    {
        using var scope = NewDisposeScope();
        ModelCase one = Case("gpt2");
        one.Write(folder);
        Dictionary<string, Tensor> weights = one.Weights();
        weights["transformer.h.1.mlp.c_fc.weight"][0, 3] = float.NaN;
        weights["transformer.h.1.mlp.c_fc.weight"][1, 2] = float.PositiveInfinity;
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), weights);
        using var model = Transformer.Load(folder);
        string warning = Assert.Single(model.Warnings);
        Assert.Contains("transformer.h.1.mlp.c_fc.weight holds 2 numbers", warning);
        var told = new List<ProgressReport>();
        model.ReportWarnings(new Told(told));
        Assert.True(Assert.Single(told).IsWarning);
    }

    [Fact]
    public void A_context_longer_than_the_positions_is_refused_with_the_length_that_is_allowed()
    {
        using var family = new FamilyModel("llama");
        using Tensor tokens = zeros([1, 33], ScalarType.Int64);
        UserErrorException error = Assert.Throws<UserErrorException>(() => family.Model.Forward(tokens));
        Assert.Contains("33", error.Message);
        Assert.Contains("32", error.Hint);
    }

    [Fact]
    public void A_mapped_file_may_be_replaced_and_the_model_stays_what_it_was()
    {
        using var family = new FamilyModel("qwen2");
        family.Case.Write(folder);
        using var model = Transformer.Load(folder);
        using Tensor before = model.Forward(family.Tokens);
        File.Delete(Path.Combine(folder, "model.safetensors"));
        (Case("qwen2") with { Name = "others" }).Write(folder);
        using Tensor after = model.Forward(family.Tokens);
        Assert.True(before.bytes.SequenceEqual(after.bytes));
    }

    private sealed class Told(List<ProgressReport> reports) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => reports.Add(value);
    }

    private static ModelCase Case(string name)
    {
        ModelCase one = ModelCases.All.Single(one => one.Name == name);
        return one with { Config = one.Config.DeepClone().AsObject() };
    }

    private void AssertRefused(ModelCase one, Action<JsonObject> change, string named)
    {
        change(one.Config);
        one.Write(folder);
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => Transformer.Load(folder)).Message);
    }

    private void AssertWeightsRefused(ModelCase one, Action<Dictionary<string, long[]>> change, string named)
    {
        Dictionary<string, long[]> shapes = one.Shapes.ToDictionary();
        change(shapes);
        (one with { Shapes = shapes }).Write(folder);
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => Transformer.Load(folder)).Message);
    }
}
