using System.Globalization;
using System.Text.RegularExpressions;

namespace Monosemantic.Models.Families;

/// <summary>What the families built on Llama share: the names of their config keys, and the names and layout of their weights.</summary>
internal static partial class LlamaLike
{
    /// <summary>Keys of how the reference splits the work over devices.</summary>
    private static readonly string[] Ignorable = ["base_model_pp_plan", "base_model_tp_plan"];

    /// <summary>
    /// The shape by the shared keys, without biases, window or rotation: the family puts those in, then calls
    /// <see cref="Finish"/>.
    /// </summary>
    /// <param name="config">The config.</param>
    /// <param name="activationKey">The family's key of the activation function.</param>
    /// <param name="activation">The function where the key is absent.</param>
    /// <param name="tied">Whether the unembedding is the embedding where the config does not say.</param>
    /// <param name="dHead">Width of a head where the config does not say; null for an even share of the residual stream.</param>
    internal static TransformerConfig Sizes(ConfigReader config, string activationKey = "hidden_act", string activation = "silu", bool tied = false, int? dHead = null)
    {
        int dModel = config.Count("hidden_size"), heads = config.Count("num_attention_heads"), layers = CommonKeys.Layers(config, "num_hidden_layers");
        int width = config.OptionalCount("head_dim") ?? dHead ?? CommonKeys.SharedWidth(config, "num_attention_heads", dModel, heads);
        return new()
        {
            Family = config.Text("model_type")!,
            Layers = layers,
            DModel = dModel,
            Heads = heads,
            KeyValueHeads = CommonKeys.KeyValueHeads(config, heads),
            DHead = width,
            DMlp = config.Count("intermediate_size"),
            VocabularySize = config.Count("vocab_size"),
            MaxPositions = config.Count("max_position_embeddings"),
            NormEpsilon = config.Number("rms_norm_eps", 1e-6),
            Norm = NormKind.RootMeanSquare,
            Activation = CommonKeys.Activation(config, activationKey, activation),
            GatedMlp = true,
            TiedUnembedding = config.Flag("tie_word_embeddings", tied),
            Attention = [.. Enumerable.Repeat(new AttentionConfig(1 / Math.Sqrt(width)), layers)],
        };
    }

    /// <summary>The shape with one rotation for all blocks.</summary>
    internal static TransformerConfig Rotated(ConfigReader config, TransformerConfig shape, double fraction = 1, bool mayBePartial = false)
    {
        RotaryConfig rotary = RotaryKeys.Read(config, new(shape.DHead, shape.MaxPositions, 10_000, fraction, mayBePartial));
        return shape with
        {
            Attention = [.. shape.Attention.Select(block => block with { Rotary = rotary })],
            MaxPositions = RotaryKeys.MaxPositions(shape.MaxPositions, rotary),
        };
    }

    /// <summary>Which blocks attend within a window, by the config's list of them or else by a rule.</summary>
    /// <param name="config">The config.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="window">The window, or null for none.</param>
    /// <param name="narrow">Whether a block is windowed where the config has no list.</param>
    internal static TransformerConfig Windowed(ConfigReader config, TransformerConfig shape, int? window, Func<int, bool> narrow)
    {
        bool[] windowed = Kinds(config, shape.Layers)?.Select(kind => kind == "sliding_attention").ToArray() ?? [.. Enumerable.Range(0, shape.Layers).Select(layer => window is not null && narrow(layer))];
        if (windowed.Contains(true) && window is null) throw config.Refusal("sliding_window", "a positive whole number where layer_types has sliding_attention", "copy the model's own config.json");
        return shape with { Attention = [.. shape.Attention.Select((block, layer) => windowed[layer] ? block with { Window = window } : block)] };
    }

    /// <summary>The config's list of attention kinds, one for each block, or null where it has none.</summary>
    internal static IReadOnlyList<string>? Kinds(ConfigReader config, int layers)
    {
        if (config.Texts("layer_types") is not { } kinds) return null;
        if (kinds.Count == layers && kinds.All(kind => kind is "full_attention" or "sliding_attention")) return kinds;
        throw config.Refusal("layer_types", $"{layers} times full_attention or sliding_attention, one for each block");
    }

    /// <summary>Refuses the keys that nobody asked for.</summary>
    internal static void Finish(ConfigReader config, params IEnumerable<string> ignorable) => CommonKeys.Finish(config, Ignorable.Concat(ignorable));

    /// <summary>Takes every weight by Llama's names.</summary>
    internal static TransformerWeights Weights(TransformerConfig config, WeightReader weights) => Weights(config, weights, Block);

    /// <summary>Takes every weight, the blocks by a rule of the family's own.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="block">Takes the weights of a block whose names begin so.</param>
    /// <param name="prefixes">What the names may begin with, instead of <c>model.</c>; files of the bare model have no prefix.</param>
    /// <param name="further">Patterns of further tensors that are not part of the model.</param>
    internal static TransformerWeights Weights(
        TransformerConfig config,
        WeightReader weights,
        Func<TransformerConfig, WeightReader, string, BlockWeights> block,
        string[]? prefixes = null,
        Regex[]? further = null)
    {
        string prefix = (prefixes ?? ["model."]).Append("").FirstOrDefault(prefix => weights.Has($"{prefix}embed_tokens.weight"), "model.");
        var embedding = weights.Take($"{prefix}embed_tokens.weight", config.VocabularySize, config.DModel);
        BlockWeights[] blocks = [.. Enumerable.Range(0, config.Layers).Select(layer => block(config, weights, $"{prefix}layers.{layer.ToString(CultureInfo.InvariantCulture)}."))];
        Norm norm = weights.TakeNorm($"{prefix}norm", config.DModel, bias: false);
        var unembedding = config.TiedUnembedding ? embedding : weights.Take("lm_head.weight", config.VocabularySize, config.DModel);
        weights.Finish([Buffers(), .. further ?? [], .. config.TiedUnembedding ? [Copy()] : Array.Empty<Regex>()]);
        return new(embedding, null, blocks, norm, unembedding);
    }

    /// <summary>A block by Llama's names.</summary>
    internal static BlockWeights Block(TransformerConfig config, WeightReader weights, string at)
    {
        long d = config.DModel, q = (long)config.Heads * config.DHead, kv = (long)config.KeyValueHeads * config.DHead;
        Norm NormAt(string name, long width) => weights.TakeNorm(at + name, width, bias: false);
        Linear Map(string name, long inputs, long outputs, bool bias) => weights.TakeLinear(at + name, inputs, outputs, bias);
        bool post = config.PostNorms, bias = config.AttentionBias;
        return new(
            NormAt("input_layernorm", d),
            new SeparateMaps(Map("self_attn.q_proj", d, q, bias), Map("self_attn.k_proj", d, kv, bias), Map("self_attn.v_proj", d, kv, bias)),
            Map("self_attn.o_proj", q, d, config.AttentionOutputBias),
            NormAt(post ? "pre_feedforward_layernorm" : "post_attention_layernorm", d),
            Map("mlp.up_proj", d, config.DMlp, config.MlpBias),
            Map("mlp.down_proj", config.DMlp, d, config.MlpBias))
        {
            MlpGate = Map("mlp.gate_proj", d, config.DMlp, config.MlpBias),
            QueryNorm = config.QueryKeyNorms ? NormAt("self_attn.q_norm", config.DHead) : null,
            KeyNorm = config.QueryKeyNorms ? NormAt("self_attn.k_norm", config.DHead) : null,
            PostNorm1 = post ? NormAt("post_attention_layernorm", d) : null,
            PostNorm2 = post ? NormAt("post_feedforward_layernorm", d) : null,
        };
    }

    // Never trained, and not in newer files.
    [GeneratedRegex(@"(^|\.)rotary_emb(_local)?\.(original_)?inv_freq$")]
    private static partial Regex Buffers();

    // The embedding once more.
    [GeneratedRegex(@"(^|\.)lm_head\.weight$")]
    private static partial Regex Copy();
}
