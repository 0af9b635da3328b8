namespace Monosemantic.Models.Families;

/// <summary>
/// Qwen 3 (Yang et al. 2025): Llama with an RMS norm on every head's query and key before they are rotated. Reference:
/// transformers, models/qwen3.
/// </summary>
public static class Qwen3
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("qwen3", "Qwen 3: Llama with norms on queries and keys", ReadConfig, LlamaLike.Weights) { CheckedAgainstReference = false };

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        bool bias = config.Flag("attention_bias", false);
        TransformerConfig shape = Qwen2.Windowed(config, LlamaLike.Rotated(config, LlamaLike.Sizes(config, dHead: 128))) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
            QueryKeyNorms = true,
        };
        LlamaLike.Finish(config);
        return shape;
    }
}
