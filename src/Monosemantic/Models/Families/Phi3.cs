namespace Monosemantic.Models.Families;

/// <summary>
/// Phi-3 and Phi-4 (Abdin et al. 2024): Llama with one joined map to queries, keys and values and one to gate and factors,
/// LongRoPE, and a window where the config gives one. Reference: transformers, models/phi3.
/// </summary>
public static class Phi3
{
    // Written by the models' own code for variants of its attention; the reference does not read them.
    private static readonly string[] Ignorable = ["full_attn_mod", "interpolate_factor"];

    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("phi3", "Phi-3, Phi-4: Llama with joined maps, LongRoPE, partial rotation and windows", ReadConfig, (config, weights) => LlamaLike.Weights(config, weights, Block)) { CheckedAgainstReference = false };

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        TransformerConfig shape = LlamaLike.Rotated(config, LlamaLike.Sizes(config), mayBePartial: true);
        // The original positions belong to LongRoPE and are read with it; other models carry them without meaning.
        _ = config.OptionalCount("original_max_position_embeddings");
        shape = LlamaLike.Windowed(config, shape, config.OptionalCount("sliding_window"), _ => true);
        foreach (string key in new[] { "attention_bias", "mlp_bias", "lm_head_bias" })
        {
            if (config.Flag(key, false)) throw config.Refusal(key, "false in this family");
        }
        LlamaLike.Finish(config, Ignorable);
        return shape;
    }

    private static BlockWeights Block(TransformerConfig config, WeightReader weights, string at)
    {
        long d = config.DModel, q = (long)config.Heads * config.DHead, kv = (long)config.KeyValueHeads * config.DHead;
        IReadOnlyList<Linear> gateAndUp = weights.TakeJoined(at + "mlp.gate_up_proj", d, config.DMlp, config.DMlp);
        return new(
            weights.TakeNorm(at + "input_layernorm", d, bias: false),
            new JoinedMap(weights.TakeLinear(at + "self_attn.qkv_proj", d, q + kv + kv, bias: false)),
            weights.TakeLinear(at + "self_attn.o_proj", q, d, bias: false),
            weights.TakeNorm(at + "post_attention_layernorm", d, bias: false),
            gateAndUp[1],
            weights.TakeLinear(at + "mlp.down_proj", config.DMlp, d, bias: false))
        {
            MlpGate = gateAndUp[0],
        };
    }
}
