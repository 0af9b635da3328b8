using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Models.Families;

/// <summary>The sizes in a llama2.c file's header, and the order of the weights that they imply.</summary>
internal sealed record Llama2CHeader
{
    private const uint Magic = 0x616B3432;
    private const int NewHeader = 256;

    /// <summary>0 for the legacy form without magic number, 1 for float32, 2 for int8.</summary>
    internal required int Version { get; init; }

    /// <summary>First byte of the weights.</summary>
    internal required long DataStart { get; init; }

    /// <summary>Weights that share a scale; 0 where they are float32.</summary>
    internal required int GroupSize { get; init; }

    /// <summary>The shape.</summary>
    internal required TransformerConfig Config { get; init; }

    /// <summary>Reads and checks the header.</summary>
    internal static Llama2CHeader Read(MappedFile file)
    {
        if (file.Length < NewHeader) throw Bad(file.Path, "it is too short");
        ReadOnlySpan<byte> bytes = file.Head(NewHeader);
        bool legacy = BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic;
        int version = legacy ? 0 : BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]);
        if (!legacy && version is not (1 or 2)) throw Bad(file.Path, $"its version is {version}; 1 and 2 are read, and the legacy form");
        int[] sizes = MemoryMarshal.Cast<byte, int>(bytes.Slice(legacy ? 0 : 8, 28)).ToArray();
        bool shared = legacy ? sizes[5] > 0 : bytes[36] != 0;
        sizes[5] = (int)Math.Min(int.MaxValue, Math.Abs((long)sizes[5]));
        int group = version == 2 ? BinaryPrimitives.ReadInt32LittleEndian(bytes[37..]) : 0;
        return new() { Version = version, DataStart = legacy ? 28 : NewHeader, GroupSize = group, Config = Checked(file.Path, sizes, shared, version == 2, group) };
    }

    /// <summary>The weights of the legacy form; a part without name is skipped.</summary>
    internal IEnumerable<(string Name, long[] Shape)> LegacyOrder()
    {
        long d = Config.DModel, tables = (long)Config.MaxPositions * (Config.DHead / 2);
        (string, long[])[] blocks = [.. Norms("input_layernorm"), .. Attention(), .. Norms("post_attention_layernorm"), .. Mlp()];
        return [("model.embed_tokens.weight", [Config.VocabularySize, d]), .. blocks, ("model.norm.weight", [d]), ("", [2 * tables]), .. Unembedding()];
    }

    /// <summary>The weights of versions 1 and 2.</summary>
    internal IEnumerable<(string Name, long[] Shape)> NewOrder()
    {
        long d = Config.DModel;
        return [.. Norms("input_layernorm"), .. Norms("post_attention_layernorm"), ("model.norm.weight", [d]), ("model.embed_tokens.weight", [Config.VocabularySize, d]), .. Attention(), .. Mlp(), .. Unembedding()];
    }

    /// <summary>The error for a file that is not what it should be.</summary>
    internal static UserErrorException Bad(string path, string what) =>
        new($"{path} is not a model file of llama2.c: {what}", "give a Hugging Face folder, or a .bin file that llama2.c's export.py wrote");

    private static TransformerConfig Checked(string path, int[] sizes, bool shared, bool quantised, int group)
    {
        if (sizes is not [> 0 and var dim, > 0 and var hidden, > 0 and var layers, > 0 and var heads, > 0 and var shares, > 0 and var vocabulary, > 0 and var positions] || dim % heads != 0 || heads % shares != 0 || dim / heads % 2 != 0)
        {
            throw Bad(path, $"its header has the sizes {string.Join(", ", sizes)}, which are no transformer's");
        }
        // Far beyond any such model, and far from where products of the sizes overflow.
        if (sizes.Any(size => size > 1 << 24) || layers > 1 << 12) throw Bad(path, $"its header has the sizes {string.Join(", ", sizes)}, which are too large");
        if (quantised && (group <= 0 || dim % group != 0 || hidden * (long)dim % group != 0)) throw Bad(path, $"its group size is {group}, which does not divide its dimensions");
        var rotary = new RotaryConfig { Dimensions = dim / heads, Theta = 10_000, Interleaved = true };
        return new()
        {
            Family = "llama2.c",
            Layers = layers,
            DModel = dim,
            Heads = heads,
            KeyValueHeads = shares,
            DHead = dim / heads,
            DMlp = hidden,
            VocabularySize = vocabulary,
            MaxPositions = positions,
            NormEpsilon = 1e-5,
            Norm = NormKind.RootMeanSquare,
            Activation = ActivationFunction.Silu,
            GatedMlp = true,
            TiedUnembedding = shared,
            Attention = [.. Enumerable.Repeat(new AttentionConfig(1 / Math.Sqrt(dim / heads), null, rotary), layers)],
        };
    }

    private IEnumerable<(string Name, long[] Shape)> Attention()
    {
        long d = Config.DModel, kv = (long)Config.KeyValueHeads * Config.DHead;
        return [.. Maps("self_attn.q_proj", d, d), .. Maps("self_attn.k_proj", kv, d), .. Maps("self_attn.v_proj", kv, d), .. Maps("self_attn.o_proj", d, d)];
    }

    private IEnumerable<(string Name, long[] Shape)> Mlp()
    {
        long d = Config.DModel, inner = Config.DMlp;
        return [.. Maps("mlp.gate_proj", inner, d), .. Maps("mlp.down_proj", d, inner), .. Maps("mlp.up_proj", inner, d)];
    }

    private IEnumerable<(string Name, long[] Shape)> Norms(string name) => Maps(name, Config.DModel);

    private IEnumerable<(string Name, long[] Shape)> Unembedding() =>
        Config.TiedUnembedding ? [] : [("lm_head.weight", [Config.VocabularySize, Config.DModel])];

    // One after the other for all blocks.
    private IEnumerable<(string Name, long[] Shape)> Maps(string name, params long[] shape) =>
        Enumerable.Range(0, Config.Layers).Select(layer => ($"model.layers.{layer.ToString(CultureInfo.InvariantCulture)}.{name}.weight", shape));
}
