using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>
/// Model files of llama2.c, written here by the format's description: each is a Llama whose queries and keys have their pairs
/// side by side, so that the same model in a Hugging Face folder is the oracle.
/// </summary>
public sealed class Llama2CFileTests : IDisposable
{
    private const int Dim = 16, Hidden = 24, Layers = 3, Heads = 4, Shares = 2, Vocabulary = 23, Positions = 12, Width = Dim / Heads;
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    private string Model => Path.Combine(folder, "model.bin");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(0, true)]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(1, false)]
    public void A_float_file_computes_what_the_same_model_in_a_folder_does(int version, bool shared)
    {
        using var scope = NewDisposeScope();
        ModelCase one = Case(shared);
        one.Write(folder);
        Write(one, version, shared);
        using Transformer file = Transformer.Load(Model), reference = Transformer.Load(folder);
        Tensor tokens = tensor(new long[] { 3, 22, 0, 7, 7, 19, 1, 4 }).view(1, 8), expected = reference.Forward(tokens);
        Assert.True((file.Forward(tokens) - expected).abs().max().item<float>() < 1e-5f * expected.abs().max().item<float>());
        Assert.Equal((shared, Positions), (file.Config.TiedUnembedding, file.Config.MaxPositions));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_quantised_file_gives_its_levels_times_its_scales(bool shared)
    {
        using var scope = NewDisposeScope();
        ModelCase one = Case(shared);
        Dictionary<string, Tensor> rounded = Write(one, 2, shared);
        using var model = Transformer.Load(Model);
        Assert.Equal(rounded.Keys.Order(), model.Named.Keys.Order());
        foreach ((string name, Tensor weight) in rounded) Assert.True(model.Named[name].bytes.SequenceEqual(weight.bytes), name);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_file_of_the_wrong_length_is_refused(int version)
    {
        Write(Case(true), version, true).Values.ToList().ForEach(tensor => tensor.Dispose());
        byte[] bytes = File.ReadAllBytes(Model);
        foreach (byte[] wrong in new[] { bytes[..^1], [.. bytes, 0], bytes[..40], [] })
        {
            File.WriteAllBytes(Model, wrong);
            Assert.Contains(Model, Assert.Throws<UserErrorException>(() => Transformer.Load(Model)).Message);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(12, 5)]
    [InlineData(16, 3)]
    [InlineData(20, int.MinValue)]
    [InlineData(8, int.MaxValue)]
    public void A_header_that_is_no_transformers_is_refused(int at, int value)
    {
        Write(Case(true), 0, true).Values.ToList().ForEach(tensor => tensor.Dispose());
        byte[] bytes = File.ReadAllBytes(Model);
        BitConverter.TryWriteBytes(bytes.AsSpan(at), value);
        File.WriteAllBytes(Model, bytes);
        Assert.Throws<UserErrorException>(() => Transformer.Load(Model));
    }

    private static ModelCase Case(bool shared)
    {
        JsonObject config = JsonNode.Parse($"{{\"model_type\":\"llama\",\"num_hidden_layers\":{Layers},\"hidden_size\":{Dim},\"num_attention_heads\":{Heads},\"num_key_value_heads\":{Shares},\"head_dim\":{Width},\"intermediate_size\":{Hidden},\"max_position_embeddings\":{Positions},\"vocab_size\":{Vocabulary},\"rms_norm_eps\":1e-5,\"hidden_act\":\"silu\",\"tie_word_embeddings\":{(shared ? "true" : "false")}}}")!.AsObject();
        return new("llama2.c", config, PlainTensors.LlamaLike(config));
    }

    // What the file holds by Hugging Face's names, before the pairs are put side by side for it.
    private Dictionary<string, Tensor> Write(ModelCase one, int version, bool shared)
    {
        Dictionary<string, Tensor> weights = one.Weights(), written = [];
        using var writer = new BinaryWriter(File.Create(Model));
        int[] sizes = [Dim, Hidden, Layers, Heads, Shares, version == 0 && !shared ? -Vocabulary : Vocabulary, Positions];
        if (version > 0) writer.Write(0x616B3432);
        if (version > 0) writer.Write(version);
        foreach (int size in sizes) writer.Write(size);
        if (version > 0)
        {
            writer.Write((byte)(shared ? 1 : 0));
            if (version == 2) writer.Write(8);
            writer.Write(new byte[256 - writer.BaseStream.Position]);
        }
        foreach (string name in Order(version, shared))
        {
            if (name == "tables") writer.Write(new byte[Positions * Width * sizeof(float)]);
            else written[name] = Put(writer, name.Contains("q_proj") || name.Contains("k_proj") ? SideBySide(weights[name]) : weights[name], version == 2 && !name.Contains("norm"));
        }
        return written;
    }

    private static IEnumerable<string> Order(int version, bool shared)
    {
        IEnumerable<string> All(string name) => Enumerable.Range(0, Layers).Select(layer => $"model.layers.{layer}.{name}.weight");
        string[] maps = [.. new[] { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj" }.SelectMany(All)], mlp = [.. new[] { "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj" }.SelectMany(All)];
        string[] last = shared ? [] : ["lm_head.weight"];
        return version == 0
            ? ["model.embed_tokens.weight", .. All("input_layernorm"), .. maps, .. All("post_attention_layernorm"), .. mlp, "model.norm.weight", "tables", .. last]
            : [.. All("input_layernorm"), .. All("post_attention_layernorm"), "model.norm.weight", "model.embed_tokens.weight", .. maps, .. mlp, .. last];
    }

    // Rows (j, j + half) of each head become rows (2j, 2j + 1).
    private static Tensor SideBySide(Tensor weight) => weight.view(-1, 2, Width / 2, Dim).transpose(1, 2).reshape(-1, Dim).contiguous();

    private static Tensor Put(BinaryWriter writer, Tensor weight, bool quantised)
    {
        float[] values = TensorMemory.Floats(weight).ToArray();
        if (!quantised)
        {
            foreach (float value in values) writer.Write(value);
            return weight;
        }
        float[][] groups = [.. values.Chunk(8)];
        float[] scales = [.. groups.Select(group => group.Max(Math.Abs) / 127)];
        sbyte[][] levels = [.. groups.Select((group, i) => group.Select(value => (sbyte)Math.Round(value / scales[i])).ToArray())];
        foreach (sbyte level in levels.SelectMany(group => group)) writer.Write(level);
        foreach (float scale in scales) writer.Write(scale);
        return TensorMemory.FromFloats(levels.SelectMany((group, i) => group.Select(level => level * scales[i])).ToArray(), weight.shape);
    }
}
