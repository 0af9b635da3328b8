using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>Keys that the reference library writes into the <c>config.json</c> of every family.</summary>
internal static class CommonKeys
{
    private const int MaxLayers = 10_000;

    // What the model is called, which tokens are special, and how texts are generated: none changes a forward pass.
    private static readonly string[] Descriptions =
    [
        "_commit_hash", "_name_or_path", "_num_labels", "architectures", "auto_map", "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "cache_implementation",
        "chunk_size_feed_forward", "custom_pipelines", "decoder_start_token_id", "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
        "eos_token_id", "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "id2label",
        "label2id", "length_penalty", "max_length", "min_length", "model_max_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
        "num_labels", "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix", "problem_type",
        "remove_invalid_values", "repetition_penalty", "return_dict", "return_dict_in_generate", "sep_token_id", "suppress_tokens",
        "task_specific_params", "temperature", "tokenizer_class", "top_k", "top_p", "transformers.js_config", "transformers_version", "typical_p", "unk_token_id", "use_cache",
    ];

    // How the reference stores and runs the weights; here they are always read as float32.
    private static readonly string[] Execution =
    [
        "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "_experts_implementation", "_flash_attn_2_enabled", "attn_implementation", "dtype",
        "gradient_checkpointing", "num_logits_to_keep", "pretraining_tp", "tf_legacy_loss", "torch_dtype", "torchscript", "use_bfloat16",
    ];

    // Only training sees them.
    private static readonly string[] Training =
    [
        "attention_dropout", "attn_pdrop", "classifier_dropout", "embd_pdrop", "embed_dropout", "hidden_dropout", "initializer_range", "resid_dropout", "resid_pdrop",
        "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj",
    ];

    /// <summary>Refuses what turns a decoder-only model into something else, then every key that nobody asked for.</summary>
    /// <param name="config">The config, everything else read.</param>
    /// <param name="ignorable">Keys of this family alone that do not change a forward pass.</param>
    internal static void Finish(ConfigReader config, params IEnumerable<string> ignorable)
    {
        foreach (string key in new[] { "add_cross_attention", "is_encoder_decoder", "tie_encoder_decoder" })
        {
            if (config.Flag(key, false)) throw config.Refusal(key, "false", "only decoder-only language models are read");
        }
        // A decoder is what all families are; the flag only matters to encoders.
        _ = config.Flag("is_decoder", false);
        if (config.Element("cross_attention_hidden_size") is not null) throw config.Refusal("cross_attention_hidden_size", "null", "only decoder-only language models are read");
        if (config.Element("pruned_heads") is { } pruned && pruned.GetRawText() != "{}") throw config.Refusal("pruned_heads", "empty", "models with pruned heads are not read");
        if (config.Element("quantization_config") is not null) throw config.Refusal("quantization_config", "absent", "quantised weights are not read; use the model in float32, float16 or bfloat16");
        config.Finish(Descriptions.Concat(Execution).Concat(Training).Concat(ignorable));
    }

    /// <summary>Reads the activation function of the MLP's neurons.</summary>
    /// <param name="config">The config.</param>
    /// <param name="key">The family's key.</param>
    /// <param name="absent">The reference's name of the function where the key is absent or null.</param>
    internal static ActivationFunction Activation(ConfigReader config, string key, string absent)
    {
        string name = config.Text(key) ?? absent;
        string hint = Suggestion.Nearest(name, ActivationNames.Known) is { } near ? $"did you mean {near}?" : "the model needs an activation that is not built yet";
        return ActivationNames.Find(name) ?? throw config.Refusal(key, $"one of {string.Join(", ", ActivationNames.Known)}", hint);
    }

    /// <summary>Reads how many blocks there are.</summary>
    /// <param name="config">The config.</param>
    /// <param name="key">The family's key.</param>
    internal static int Layers(ConfigReader config, string key) => config.Count(key) is <= MaxLayers and var layers ? layers : throw config.Refusal(key, $"at most {MaxLayers}", "copy the model's own config.json");

    /// <summary>Reads how many heads the keys and values have: as many as the queries where the key is null.</summary>
    /// <param name="config">The config.</param>
    /// <param name="heads">Heads of the queries.</param>
    internal static int KeyValueHeads(ConfigReader config, int heads)
    {
        int shared = config.OptionalCount("num_key_value_heads") ?? heads;
        if (heads % shared == 0) return shared;
        throw config.Refusal("num_key_value_heads", $"a divisor of num_attention_heads, {heads}", "copy the model's own config.json");
    }

    /// <summary>Width of a head: what the config says, or an even share of the residual stream.</summary>
    /// <param name="config">The config.</param>
    /// <param name="key">The key of the heads, for the error.</param>
    /// <param name="dModel">Width of the residual stream.</param>
    /// <param name="heads">Heads.</param>
    internal static int SharedWidth(ConfigReader config, string key, int dModel, int heads)
    {
        if (dModel % heads == 0) return dModel / heads;
        throw new UserErrorException($"{key} is {heads} in {config.Path}; it must divide the width of the residual stream, {dModel}", "copy the model's own config.json");
    }
}

/// <summary>The reference's names of activation functions.</summary>
internal static class ActivationNames
{
    private static readonly Dictionary<string, ActivationFunction> Functions = new(StringComparer.Ordinal)
    {
        ["gelu"] = ActivationFunction.Gelu,
        ["gelu_python"] = ActivationFunction.Gelu,
        ["gelu_new"] = ActivationFunction.GeluTanh,
        ["gelu_fast"] = ActivationFunction.GeluTanh,
        ["gelu_accurate"] = ActivationFunction.GeluTanh,
        ["gelu_pytorch_tanh"] = ActivationFunction.GeluTanh,
        ["gelu_python_tanh"] = ActivationFunction.GeluTanh,
        ["quick_gelu"] = ActivationFunction.QuickGelu,
        ["relu"] = ActivationFunction.Relu,
        ["relu2"] = ActivationFunction.SquaredRelu,
        ["relu6"] = ActivationFunction.Relu6,
        ["leaky_relu"] = ActivationFunction.LeakyRelu,
        ["silu"] = ActivationFunction.Silu,
        ["swish"] = ActivationFunction.Silu,
        ["mish"] = ActivationFunction.Mish,
        ["tanh"] = ActivationFunction.Tanh,
        ["sigmoid"] = ActivationFunction.Sigmoid,
        ["linear"] = ActivationFunction.Linear,
    };

    /// <summary>Every name.</summary>
    internal static IEnumerable<string> Known => Functions.Keys;

    /// <summary>The function of a name, or null for an unknown one.</summary>
    internal static ActivationFunction? Find(string name) => Functions.TryGetValue(name, out ActivationFunction function) ? function : null;
}
