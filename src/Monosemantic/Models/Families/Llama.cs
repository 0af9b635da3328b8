namespace Monosemantic.Models.Families;

/// <summary>
/// Llama 1, 2 and 3 (Touvron et al. 2023, Grattafiori et al. 2024): rotary positions, RMS norms before attention and MLP,
/// gated MLP, grouped queries. Reference: transformers, models/llama.
/// </summary>
public static class Llama
{
    // Says of itself what model_type says.
    private static readonly string[] Ignorable = ["is_llama_config"];

    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("llama", "Llama 1, 2, 3: rotary positions (linear, dynamic, llama3, yarn, longrope), RMS norm, grouped queries, gated MLP", ReadConfig, LlamaLike.Weights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        bool bias = config.Flag("attention_bias", false);
        TransformerConfig shape = LlamaLike.Rotated(config, LlamaLike.Sizes(config)) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
        };
        if (config.Flag("rope_interleaved", false)) throw config.Refusal("rope_interleaved", "false in this family");
        LlamaLike.Finish(config, Ignorable);
        return shape;
    }
}
