using System.Globalization;
using System.Text.RegularExpressions;

namespace Monosemantic.Models.Families;

/// <summary>
/// GPT-NeoX (Black et al. 2022), also Pythia: rotary positions on a part of each head, layer norms, attention and MLP side by
/// side or one after the other. Reference: transformers, models/gpt_neox.
/// </summary>
public static partial class GptNeoX
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gpt_neox", "GPT-NeoX, Pythia: partial rotation, layer norm, attention and MLP in parallel or in sequence", ReadConfig, ReadWeights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        int layers = CommonKeys.Layers(config, "num_hidden_layers"), dModel = config.Count("hidden_size"), heads = config.Count("num_attention_heads");
        int width = CommonKeys.SharedWidth(config, "num_attention_heads", dModel, heads), positions = config.Count("max_position_embeddings");
        RotaryConfig rotary = ReadRotary(config, width, positions);
        bool bias = config.Flag("attention_bias", true);
        var shape = new TransformerConfig
        {
            Family = config.Text("model_type")!,
            Layers = layers,
            DModel = dModel,
            Heads = heads,
            KeyValueHeads = heads,
            DHead = width,
            DMlp = config.Count("intermediate_size"),
            VocabularySize = config.Count("vocab_size"),
            MaxPositions = RotaryKeys.MaxPositions(positions, rotary),
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            Activation = CommonKeys.Activation(config, "hidden_act", "gelu"),
            Attention = [.. Enumerable.Repeat(new AttentionConfig(1 / Math.Sqrt(width), null, rotary), layers)],
            ParallelResidual = config.Flag("use_parallel_residual", true),
            AttentionBias = bias,
            AttentionOutputBias = bias,
            MlpBias = true,
            TiedUnembedding = config.Flag("tie_word_embeddings", false),
        };
        CommonKeys.Finish(config);
        return shape;
    }

    // The family's own names of base and share come before the common ones, as in the reference, and the newest keys before both.
    private static RotaryConfig ReadRotary(ConfigReader config, int width, int positions)
    {
        double? theta = config.OptionalPositive("rotary_emb_base"), fraction = config.OptionalPositive("rotary_pct");
        bool own = config.Section("rope_parameters") is null;
        int turning = (int)(width * (fraction ?? 1));
        if (own && fraction is not null && (fraction > 1 || turning < 2 || turning % 2 != 0)) throw config.Refusal("rotary_pct", $"a share of the {width} dimensions of a head that is an even number", "copy the model's own config.json");
        RotaryConfig rotary = RotaryKeys.Read(config, new(width, positions, theta ?? 10_000, fraction ?? 0.25, MayBePartial: true));
        return own ? rotary with { Theta = theta ?? rotary.Theta, Dimensions = fraction is null ? rotary.Dimensions : turning } : rotary;
    }

    private static TransformerWeights ReadWeights(TransformerConfig config, WeightReader weights)
    {
        long d = config.DModel;
        string prefix = weights.Has("gpt_neox.embed_in.weight") || !weights.Has("embed_in.weight") ? "gpt_neox." : "";
        var embedding = weights.Take($"{prefix}embed_in.weight", config.VocabularySize, d);
        BlockWeights[] blocks = [.. Enumerable.Range(0, config.Layers).Select(layer => Block(config, weights, $"{prefix}layers.{layer.ToString(CultureInfo.InvariantCulture)}."))];
        Norm norm = weights.TakeNorm($"{prefix}final_layer_norm", d, bias: true);
        var unembedding = config.TiedUnembedding ? embedding : weights.Take("embed_out.weight", config.VocabularySize, d);
        weights.Finish(config.TiedUnembedding ? [Buffers(), Copy()] : [Buffers()]);
        return new(embedding, null, blocks, norm, unembedding);
    }

    private static BlockWeights Block(TransformerConfig config, WeightReader weights, string at)
    {
        long d = config.DModel;
        return new(
            weights.TakeNorm(at + "input_layernorm", d, bias: true),
            new InterleavedMap(weights.TakeLinear(at + "attention.query_key_value", d, 3 * d, config.AttentionBias)),
            weights.TakeLinear(at + "attention.dense", d, d, config.AttentionOutputBias),
            weights.TakeNorm(at + "post_attention_layernorm", d, bias: true),
            weights.TakeLinear(at + "mlp.dense_h_to_4h", d, config.DMlp, bias: true),
            weights.TakeLinear(at + "mlp.dense_4h_to_h", config.DMlp, d, bias: true));
    }

    [GeneratedRegex(@"\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$|(^|\.)rotary_emb\.inv_freq$")]
    private static partial Regex Buffers();

    [GeneratedRegex(@"^embed_out\.weight$")]
    private static partial Regex Copy();
}
