using System.Text.RegularExpressions;

namespace Monosemantic.Models.Families;

/// <summary>
/// Gemma 3's text model (Gemma Team 2025): Gemma 2 with norms on queries and keys instead of soft caps, five windowed blocks
/// for each full one, and rotary positions of two bases. Reference: transformers, models/gemma3.
/// </summary>
public static partial class Gemma3
{
    private const string Windowed = "sliding_attention";

    // hidden_act: see Gemma 2. The layer pattern is read where layer_types is absent.
    private static readonly string[] Ignorable = ["hidden_act", "_sliding_window_pattern", "sliding_window_pattern"];

    // Of the model that sees images too; its text model alone is read.
    private static readonly string[] WholeModel = ["boi_token_index", "eoi_token_index", "image_token_id", "image_token_index", "mm_tokens_per_image", "tie_word_embeddings", "vision_config"];

    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gemma3_text", "Gemma 3, text: Gemma 2 with norms on queries and keys, two rotary bases, five windowed blocks for each full one", ReadConfig, ReadWeights)
    {
        Aliases = ["gemma3"],
        CheckedAgainstReference = false,
    };

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        if (config.Section("text_config") is not { } text) return ReadText(config);
        // What the reference's text model has where the config of the whole is silent.
        foreach ((string key, int value) in new[] { ("vocab_size", 262_208), ("num_attention_heads", 8), ("num_key_value_heads", 4), ("max_position_embeddings", 131_072) }) text.Assume(key, value);
        _ = text.Text("model_type");
        CommonKeys.Finish(config, WholeModel);
        return ReadText(text) with { Family = "gemma3_text" };
    }

    private static TransformerConfig ReadText(ConfigReader config)
    {
        bool bias = config.Flag("attention_bias", false);
        TransformerConfig shape = Gemma.Scaled(LlamaLike.Sizes(config, "hidden_activation", "gelu_pytorch_tanh", tied: true, dHead: 256)) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
            QueryKeyNorms = true,
        };
        shape = Rotated(config, Gemma2.Capped(config, shape));
        // The reference has the key and does not use it: its norms do what the cap did.
        if (shape.AttentionSoftCap is not null) throw config.Refusal("attn_logit_softcapping", "null in this family");
        if (config.Flag("use_bidirectional_attention", false)) throw config.Refusal("use_bidirectional_attention", "false", "only models that predict the next token are read");
        LlamaLike.Finish(config, Ignorable);
        return shape;
    }

    private static TransformerWeights ReadWeights(TransformerConfig config, WeightReader weights) =>
        LlamaLike.Weights(config, weights, LlamaLike.Block, ["model.", "language_model.model.", "model.language_model."], [Vision()]);

    private static TransformerConfig Rotated(ConfigReader config, TransformerConfig shape)
    {
        int pattern = config.OptionalCount("sliding_window_pattern") ?? config.OptionalCount("_sliding_window_pattern") ?? 6;
        shape = LlamaLike.Windowed(config, shape, config.OptionalCount("sliding_window") ?? 4096, layer => (layer + 1) % pattern != 0);
        (RotaryConfig full, RotaryConfig windowed) = Rotations(config, new(shape.DHead, shape.MaxPositions, 1_000_000));
        return shape with
        {
            Attention = [.. shape.Attention.Select(block => block with { Rotary = block.Window is null ? full : windowed })],
            MaxPositions = RotaryKeys.MaxPositions(shape.MaxPositions, full),
        };
    }

    // Scaling applies to the full blocks alone.
    private static (RotaryConfig Full, RotaryConfig Windowed) Rotations(ConfigReader config, RotaryKeys.Defaults defaults)
    {
        double local = config.Positive("rope_local_base_freq", 10_000);
        if (config.Section("rope_parameters") is not { } parameters) return (RotaryKeys.Read(config, defaults), new() { Dimensions = defaults.DHead, Theta = local });
        RotaryConfig full = RotaryKeys.Of(config, parameters.Section("full_attention"), defaults with { Theta = config.Positive("rope_theta", defaults.Theta) });
        RotaryConfig windowed = RotaryKeys.Of(config, parameters.Section(Windowed), defaults with { Theta = local });
        parameters.Finish([]);
        return (full, windowed);
    }

    [GeneratedRegex(@"^(model\.)?(vision_tower|multi_modal_projector)\.")]
    private static partial Regex Vision();
}
