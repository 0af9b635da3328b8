using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Monosemantic.Models.Families;

/// <summary>
/// GPT-Neo (Black et al. 2021), also TinyStories: GPT-2 with attention scores that are not scaled, no biases on queries, keys
/// and values, and blocks that see only a window. Reference: transformers, models/gpt_neo.
/// </summary>
public static partial class GptNeo
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gpt_neo", "GPT-Neo, TinyStories: learned positions, alternating local windows, unscaled attention", ReadConfig, ReadWeights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        int layers = CommonKeys.Layers(config, "num_layers"), dModel = config.Count("hidden_size"), heads = config.Count("num_heads"), window = config.OptionalCount("window_size") ?? 256;
        int width = CommonKeys.SharedWidth(config, "num_heads", dModel, heads);
        var shape = new TransformerConfig
        {
            Family = config.Text("model_type")!,
            Layers = layers,
            DModel = dModel,
            Heads = heads,
            KeyValueHeads = heads,
            DHead = width,
            DMlp = config.OptionalCount("intermediate_size") ?? 4 * dModel,
            VocabularySize = config.Count("vocab_size"),
            MaxPositions = config.Count("max_position_embeddings"),
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            Activation = CommonKeys.Activation(config, "activation_function", "gelu_new"),
            Attention = [.. Kinds(config, layers).Select(kind => new AttentionConfig(1, kind == "local" ? window : null))],
            LearnedPositions = true,
            AttentionOutputBias = true,
            MlpBias = true,
            TiedUnembedding = config.Flag("tie_word_embeddings", true),
        };
        CommonKeys.Finish(config);
        return shape;
    }

    // attention_types is a list of pairs: kinds, and how often they repeat. attention_layers is the same written out.
    private static List<string> Kinds(ConfigReader config, int layers)
    {
        List<string>? kinds = config.Element("attention_types") is { } types ? Expanded(config, types) : null;
        if (config.Texts("attention_layers") is { } listed)
        {
            if (kinds is not null && !kinds.SequenceEqual(listed)) throw config.Refusal("attention_layers", "attention_types written out", "copy the model's own config.json");
            kinds = [.. listed];
        }
        kinds ??= [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0 ? "global" : "local")];
        if (kinds.Count == layers && kinds.All(kind => kind is "global" or "local")) return kinds;
        throw config.Refusal("attention_types", $"global or local for each of the {layers} blocks of num_layers", "copy the model's own config.json");
    }

    private static List<string> Expanded(ConfigReader config, JsonElement types)
    {
        try
        {
            return [.. types.EnumerateArray().SelectMany(pair => Enumerable.Repeat(pair[0].EnumerateArray().Select(kind => kind.GetString()!).ToArray(), pair[1].GetInt32()).SelectMany(kinds => kinds))];
        }
        catch (Exception failure) when (failure is InvalidOperationException or IndexOutOfRangeException or ArgumentOutOfRangeException or FormatException)
        {
            throw config.Refusal("attention_types", "a list of pairs such as [[\"global\", \"local\"], 12]", "copy the model's own config.json");
        }
    }

    private static TransformerWeights ReadWeights(TransformerConfig config, WeightReader weights)
    {
        long d = config.DModel;
        string prefix = weights.Has("transformer.wte.weight") || !weights.Has("wte.weight") ? "transformer." : "";
        var embedding = weights.Take($"{prefix}wte.weight", config.VocabularySize, d);
        var positions = weights.Take($"{prefix}wpe.weight", config.MaxPositions, d);
        BlockWeights[] blocks = [.. Enumerable.Range(0, config.Layers).Select(layer => Block(config, weights, $"{prefix}h.{layer.ToString(CultureInfo.InvariantCulture)}."))];
        Norm norm = weights.TakeNorm($"{prefix}ln_f", d, bias: true);
        var unembedding = config.TiedUnembedding ? embedding : weights.Take("lm_head.weight", config.VocabularySize, d);
        weights.Finish(config.TiedUnembedding ? [Buffers(), Copy()] : [Buffers()]);
        return new(embedding, positions, blocks, norm, unembedding);
    }

    private static BlockWeights Block(TransformerConfig config, WeightReader weights, string at)
    {
        long d = config.DModel;
        Linear Head(string name) => weights.TakeLinear($"{at}attn.attention.{name}", d, d, bias: false);
        return new(
            weights.TakeNorm(at + "ln_1", d, bias: true),
            new SeparateMaps(Head("q_proj"), Head("k_proj"), Head("v_proj")),
            weights.TakeLinear(at + "attn.attention.out_proj", d, d, bias: true),
            weights.TakeNorm(at + "ln_2", d, bias: true),
            weights.TakeLinear(at + "mlp.c_fc", d, config.DMlp, bias: true),
            weights.TakeLinear(at + "mlp.c_proj", config.DMlp, d, bias: true));
    }

    [GeneratedRegex(@"(^|\.)h\.\d+\.attn\.attention\.(bias|masked_bias)$")]
    private static partial Regex Buffers();

    [GeneratedRegex(@"^lm_head\.weight$")]
    private static partial Regex Copy();
}
