namespace Monosemantic.Models.Families;

/// <summary>
/// Mistral (Jiang et al. 2023): Llama, with every block seeing only a sliding window where the config gives one. Reference:
/// transformers, models/mistral.
/// </summary>
public static class Mistral
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("mistral", "Mistral: Llama with a sliding window in every block", ReadConfig, LlamaLike.Weights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        TransformerConfig shape = LlamaLike.Windowed(config, LlamaLike.Rotated(config, LlamaLike.Sizes(config)), config.OptionalCount("sliding_window"), _ => true);
        if (config.Flag("attention_bias", false)) throw config.Refusal("attention_bias", "false in this family");
        LlamaLike.Finish(config);
        return shape;
    }
}
