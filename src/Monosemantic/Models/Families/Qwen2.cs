namespace Monosemantic.Models.Families;

/// <summary>
/// Qwen 2 and 2.5 (Yang et al. 2024): Llama with biases on queries, keys and values; the upper blocks may see only a
/// sliding window. Reference: transformers, models/qwen2.
/// </summary>
public static class Qwen2
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("qwen2", "Qwen 2 and 2.5: Llama with biases on queries, keys and values", ReadConfig, LlamaLike.Weights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        TransformerConfig shape = Windowed(config, LlamaLike.Rotated(config, LlamaLike.Sizes(config))) with { AttentionBias = true };
        if (config.Flag("use_mrope", false)) throw config.Refusal("use_mrope", "false", "only the text models are read");
        LlamaLike.Finish(config);
        return shape;
    }

    /// <summary>The sliding window, if it is switched on, in the blocks from <c>max_window_layers</c> on.</summary>
    /// <remarks>
    /// Release 4.46 and 4.47 of the reference masked by the window in every block (eager attention builds one mask for all);
    /// models saved by them compute what they computed there. Later files list the blocks in <c>layer_types</c>.
    /// </remarks>
    internal static TransformerConfig Windowed(ConfigReader config, TransformerConfig shape)
    {
        int? window = config.OptionalCount("sliding_window");
        int first = config.Has("max_window_layers") ? (int)config.Number("max_window_layers", 0) : 28;
        if (!config.Flag("use_sliding_window", false)) window = null;
        bool everywhere = config.Text("transformers_version") is { } version && (version.StartsWith("4.46.", StringComparison.Ordinal) || version.StartsWith("4.47.", StringComparison.Ordinal));
        return LlamaLike.Windowed(config, shape, window, layer => everywhere || layer >= first);
    }
}
