using System.Globalization;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models.Families;

/// <summary>
/// GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks with biases, tied unembedding. Weights are stored
/// [in, out]. Reference: transformers, models/gpt2.
/// </summary>
public static partial class Gpt2
{
    // n_ctx repeats n_positions; upcasting does nothing to float32.
    private static readonly string[] Ignorable = ["n_ctx", "reorder_and_upcast_attn"];

    /// <summary>The registry's entry.</summary>
    public static ModelFamily Family { get; } = new("gpt2", "GPT-2: learned positions, layer norm, joined map to queries, keys and values", ReadConfig, ReadWeights);

    /// <summary>The config file of a model with this shape, as Hugging Face's GPT-2 reads it.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="endOfText">Id of the token that starts and separates documents.</param>
    public static IReadOnlyDictionary<string, object> ConfigFile(TransformerConfig config, int endOfText) => new SortedDictionary<string, object>(StringComparer.Ordinal)
    {
        ["activation_function"] = config.Activation == ActivationFunction.GeluTanh ? "gelu_new" : config.Activation == ActivationFunction.Gelu ? "gelu" : "relu",
        ["architectures"] = new[] { "GPT2LMHeadModel" },
        ["bos_token_id"] = endOfText,
        ["eos_token_id"] = endOfText,
        ["layer_norm_epsilon"] = config.NormEpsilon,
        ["model_type"] = "gpt2",
        ["n_embd"] = config.DModel,
        ["n_head"] = config.Heads,
        ["n_inner"] = config.DMlp,
        ["n_layer"] = config.Layers,
        ["n_positions"] = config.MaxPositions,
        ["tie_word_embeddings"] = true,
        ["vocab_size"] = config.VocabularySize,
    };

    /// <summary>The shape of a new model; its neurons are exact GELUs, which libtorch computes in one fused pass.</summary>
    /// <param name="layers">Blocks.</param>
    /// <param name="dModel">Width of the residual stream; a multiple of <paramref name="heads"/>.</param>
    /// <param name="heads">Heads per block.</param>
    /// <param name="vocabularySize">Token ids.</param>
    /// <param name="positions">Longest context.</param>
    public static TransformerConfig Shape(int layers, int dModel, int heads, int vocabularySize, int positions) => new()
    {
        Family = "gpt2",
        Layers = layers,
        DModel = dModel,
        Heads = heads,
        KeyValueHeads = heads,
        DHead = dModel / heads,
        DMlp = 4 * dModel,
        VocabularySize = vocabularySize,
        MaxPositions = positions,
        NormEpsilon = 1e-5,
        Activation = ActivationFunction.Gelu,
        Attention = [.. Enumerable.Repeat(new AttentionConfig(1 / Math.Sqrt(dModel / heads)), layers)],
        LearnedPositions = true,
        AttentionBias = true,
        AttentionOutputBias = true,
        MlpBias = true,
        TiedUnembedding = true,
    };

    /// <summary>
    /// Untrained weights by their names in the file: normal(0, 0.02), the two maps into the residual stream scaled by
    /// 1 / sqrt(2 layers), norms 1, biases 0.
    /// </summary>
    /// <param name="config">The shape.</param>
    /// <param name="seed">Seed; the same on every machine.</param>
    public static Dictionary<string, torch.Tensor> Initialise(TransformerConfig config, long seed)
    {
        var random = new SeededRandom(seed);
        var weights = new Dictionary<string, torch.Tensor>();
        foreach ((string name, long[] shape) in Names(config))
        {
            double deviation = name.EndsWith("c_proj.weight", StringComparison.Ordinal) ? 0.02 / Math.Sqrt(2 * config.Layers) : 0.02;
            torch.Tensor tensor = torch.zeros(shape);
            Span<float> values = TensorMemory.Floats(tensor);
            if (shape.Length == 2) for (int i = 0; i < values.Length; i++) values[i] = (float)(deviation * random.NextNormal());
            else if (name.EndsWith("weight", StringComparison.Ordinal)) values.Fill(1);
            weights.Add(name, tensor);
        }
        return weights;
    }

    /// <summary>Puts weights in their places.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="take">Gives the tensor of a name in the file.</param>
    public static TransformerWeights Assemble(TransformerConfig config, Func<string, torch.Tensor> take)
    {
        Norm NormAt(string name) => new(take($"{name}.weight"), take($"{name}.bias"));
        Linear LinearAt(string name) => new(take($"{name}.weight"), take($"{name}.bias"));
        torch.Tensor embedding = take("transformer.wte.weight"), positions = take("transformer.wpe.weight");
        var blocks = new List<BlockWeights>();
        for (int i = 0; i < config.Layers; i++)
        {
            string h = $"transformer.h.{i.ToString(CultureInfo.InvariantCulture)}.";
            blocks.Add(new(NormAt(h + "ln_1"), new JoinedMap(LinearAt(h + "attn.c_attn")), LinearAt(h + "attn.c_proj"), NormAt(h + "ln_2"), LinearAt(h + "mlp.c_fc"), LinearAt(h + "mlp.c_proj")));
        }
        return new(embedding, positions, blocks, NormAt("transformer.ln_f"), embedding);
    }

    private static TransformerConfig ReadConfig(ConfigReader config)
    {
        int layers = CommonKeys.Layers(config, "n_layer"), dModel = config.Count("n_embd"), heads = config.Count("n_head");
        int width = CommonKeys.SharedWidth(config, "n_head", dModel, heads);
        bool scaled = config.Flag("scale_attn_weights", true), byLayer = config.Flag("scale_attn_by_inverse_layer_idx", false);
        double scale = scaled ? 1 / Math.Sqrt(width) : 1;
        var shape = new TransformerConfig
        {
            Family = config.Text("model_type")!,
            Layers = layers,
            DModel = dModel,
            Heads = heads,
            KeyValueHeads = heads,
            DHead = width,
            DMlp = config.OptionalCount("n_inner") ?? 4 * dModel,
            VocabularySize = config.Count("vocab_size"),
            MaxPositions = config.Count("n_positions"),
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            Activation = CommonKeys.Activation(config, "activation_function", "gelu_new"),
            Attention = [.. Enumerable.Range(0, layers).Select(layer => new AttentionConfig(byLayer ? scale / (layer + 1) : scale))],
            LearnedPositions = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            MlpBias = true,
            TiedUnembedding = config.Flag("tie_word_embeddings", true),
        };
        CommonKeys.Finish(config, Ignorable);
        return shape;
    }

    // Files from the hub often lack the "transformer." prefix, and may hold a copy of the tied unembedding.
    private static TransformerWeights ReadWeights(TransformerConfig config, WeightReader weights)
    {
        Dictionary<string, long[]> shapes = Names(config).ToDictionary(pair => pair.Name, pair => pair.Shape);
        bool prefixed = weights.Has("transformer.wte.weight") || !weights.Has("wte.weight");
        TransformerWeights assembled = Assemble(config, name => weights.Take(prefixed ? name : name["transformer.".Length..], shapes[name]));
        if (!config.TiedUnembedding) assembled = assembled with { Unembedding = weights.Take("lm_head.weight", config.VocabularySize, config.DModel) };
        weights.Finish(config.TiedUnembedding ? [Buffers(), Copy()] : [Buffers()]);
        return assembled;
    }

    private static IEnumerable<(string Name, long[] Shape)> Names(TransformerConfig config)
    {
        long d = config.DModel, inner = config.DMlp;
        yield return ("transformer.wte.weight", [config.VocabularySize, d]);
        yield return ("transformer.wpe.weight", [config.MaxPositions, d]);
        for (int i = 0; i < config.Layers; i++)
        {
            string h = $"transformer.h.{i.ToString(CultureInfo.InvariantCulture)}.";
            foreach ((string name, long[] weight) in new (string, long[])[]
                { ("ln_1", [d]), ("attn.c_attn", [d, 3 * d]), ("attn.c_proj", [d, d]), ("ln_2", [d]), ("mlp.c_fc", [d, inner]), ("mlp.c_proj", [inner, d]) })
            {
                yield return ($"{h}{name}.weight", weight);
                yield return ($"{h}{name}.bias", [weight[^1]]);
            }
        }
        yield return ("transformer.ln_f.weight", [d]);
        yield return ("transformer.ln_f.bias", [d]);
    }

    [GeneratedRegex(@"(^|\.)h\.\d+\.attn\.(bias|masked_bias)$")]
    private static partial Regex Buffers();

    [GeneratedRegex(@"^lm_head\.weight$")]
    private static partial Regex Copy();
}
