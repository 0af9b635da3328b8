namespace Monosemantic.Models.Families;

/// <summary>
/// Gemma (Gemma Team 2024): Llama with norms that multiply by 1 + w, embeddings multiplied by sqrt(d_model), and GELU gates.
/// Reference: transformers, models/gemma.
/// </summary>
public static class Gemma
{
    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gemma", "Gemma: Llama with norms that multiply by 1 + w, scaled embeddings and GELU gates", ReadConfig, LlamaLike.Weights);

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        bool bias = config.Flag("attention_bias", false);
        TransformerConfig shape = Scaled(LlamaLike.Rotated(config, LlamaLike.Sizes(config, "hidden_activation", "gelu_pytorch_tanh", tied: true, dHead: 256))) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
        };
        CheckActivation(config);
        if (config.Flag("use_bidirectional_attention", false)) throw config.Refusal("use_bidirectional_attention", "false", "only models that predict the next token are read");
        LlamaLike.Finish(config);
        return shape;
    }

    /// <summary>What all Gemmas do to norms and embeddings.</summary>
    internal static TransformerConfig Scaled(TransformerConfig shape) => shape with { Norm = NormKind.RootMeanSquareOnePlus, EmbeddingScale = Math.Sqrt(shape.DModel) };

    // The first configs said "gelu" in hidden_act and meant its tanh form, which is why hidden_activation took its place.
    private static void CheckActivation(ConfigReader config)
    {
        string? older = config.Text("hidden_act");
        if (config.Has("hidden_activation") || older is null || ActivationNames.Find(older) is ActivationFunction.Gelu or ActivationFunction.GeluTanh) return;
        throw config.Refusal("hidden_act", "gelu or gelu_pytorch_tanh where hidden_activation is absent", "name the function in hidden_activation");
    }
}
