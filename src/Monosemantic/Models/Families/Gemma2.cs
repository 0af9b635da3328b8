namespace Monosemantic.Models.Families;

/// <summary>
/// Gemma 2 (Gemma Team 2024): Gemma with norms after attention and MLP too, soft caps on attention scores and logits, and a
/// sliding window in every other block, the first one included. Reference: transformers, models/gemma2.
/// </summary>
public static class Gemma2
{
    // Written beside hidden_activation and sliding_window, which are the ones that the reference reads.
    private static readonly string[] Ignorable = ["hidden_act", "sliding_window_size"];

    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gemma2", "Gemma 2: Gemma with norms after attention and MLP, soft caps and alternating windows", ReadConfig, LlamaLike.Weights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        bool bias = config.Flag("attention_bias", false);
        TransformerConfig shape = Gemma.Scaled(LlamaLike.Rotated(config, LlamaLike.Sizes(config, "hidden_activation", "gelu_pytorch_tanh", tied: true, dHead: 256))) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
        };
        shape = LlamaLike.Windowed(config, Capped(config, shape), config.OptionalCount("sliding_window") ?? (config.Has("sliding_window") ? null : 4096), layer => layer % 2 == 0);
        if (config.Flag("use_bidirectional_attention", false)) throw config.Refusal("use_bidirectional_attention", "false", "only models that predict the next token are read");
        LlamaLike.Finish(config, Ignorable);
        return shape;
    }

    /// <summary>The norms after attention and MLP, the scale of the scores by a config key, and the soft caps.</summary>
    internal static TransformerConfig Capped(ConfigReader config, TransformerConfig shape)
    {
        double scale = 1 / Math.Sqrt(config.Positive("query_pre_attn_scalar", 256));
        return shape with
        {
            PostNorms = true,
            Attention = [.. shape.Attention.Select(block => block with { Scale = scale })],
            AttentionSoftCap = config.OptionalPositive("attn_logit_softcapping"),
            LogitSoftCap = config.OptionalPositive("final_logit_softcapping"),
        };
    }
}
