using System.Text.Json.Nodes;

namespace Monosemantic.Tests.Models;

/// <summary>Configurations of every family: what its checkpoints differ in, each small enough for plain loops.</summary>
internal static class ModelCases
{
    private const string Longrope = "\"short_factor\":[1.0,1.1,1.3,1.7],\"long_factor\":[1.5,2.0,3.0,4.0]";

    /// <summary>Every case.</summary>
    internal static IReadOnlyList<ModelCase> All { get; } =
    [
        Gpt("gpt2", ""),
        Gpt("gpt2, scaled by block", "\"scale_attn_by_inverse_layer_idx\":true,\"n_inner\":20,\"activation_function\":\"gelu\""),
        Gpt("gpt2, unscaled and untied", "\"scale_attn_weights\":false,\"tie_word_embeddings\":false,\"activation_function\":\"relu\",\"reorder_and_upcast_attn\":true"),
        Neo("gpt_neo", "\"attention_types\":[[[\"global\",\"local\"],1],[[\"local\"],1]],\"window_size\":4"),
        Neo("gpt_neo, all local", "\"attention_types\":[[[\"local\"],3]],\"window_size\":1,\"intermediate_size\":24,\"activation_function\":\"silu\""),
        NeoX("gpt_neox", "\"rotary_pct\":0.5"),
        NeoX("gpt_neox, in sequence, whole head, no bias", "\"use_parallel_residual\":false,\"rotary_pct\":1.0,\"attention_bias\":false,\"tie_word_embeddings\":true,\"hidden_act\":\"gelu_new\""),
        NeoX("gpt_neox, linear scaling", "\"rotary_pct\":0.25,\"rotary_emb_base\":500,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0}"),
        NeoX("gpt_neox, rope_parameters", "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":700.0,\"partial_rotary_factor\":0.5}"),
        NeoX("gpt_neox, rope_parameters beside the older keys", "\"rotary_pct\":0.25,\"rotary_emb_base\":500,\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":700.0,\"partial_rotary_factor\":0.5}"),
        Like("llama", "llama", ""),
        Like("llama, biases, one head for all, wide heads", "llama", "\"attention_bias\":true,\"mlp_bias\":true,\"num_key_value_heads\":1,\"head_dim\":12,\"tie_word_embeddings\":true,\"hidden_act\":\"gelu\",\"pretraining_tp\":2"),
        Like("llama, heads of their own keys", "llama", "\"num_key_value_heads\":null,\"rope_theta\":500.0,\"rope_scaling\":{\"rope_type\":\"default\"}"),
        Like("llama, linear scaling", "llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5}"),
        Like("llama, dynamic scaling beyond its positions", "llama", "\"max_position_embeddings\":6,\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":3.0}"),
        Like("llama, dynamic scaling within its positions", "llama", "\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":3.0}"),
        Like("llama, llama3 scaling", "llama", "\"rope_theta\":50.0,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":32}"),
        Like("llama, yarn scaling", "llama", "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"beta_fast\":4.0,\"beta_slow\":0.5}"),
        Like("llama, yarn scaling by rope_parameters", "llama", "\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":800.0,\"factor\":4.0,\"original_max_position_embeddings\":16,\"attention_factor\":1.3}"),
        Like("llama, yarn scaling as release 4.46 had it", "llama", "\"transformers_version\":\"4.46.0.dev0\",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":8}"),
        Like("mistral", "mistral", "\"sliding_window\":3"),
        Like("mistral, no window", "mistral", "\"sliding_window\":null,\"head_dim\":10,\"tie_word_embeddings\":true"),
        Like("gemma", "gemma", "\"hidden_act\":\"gelu\",\"hidden_activation\":null"),
        Like("gemma, exact gates, untied", "gemma", "\"hidden_activation\":\"gelu\",\"tie_word_embeddings\":false,\"attention_bias\":true"),
        Like("gemma2", "gemma2", "\"sliding_window\":4,\"attn_logit_softcapping\":3.0,\"final_logit_softcapping\":4.0,\"query_pre_attn_scalar\":10"),
        Like("gemma2, no caps", "gemma2", "\"sliding_window\":2,\"attn_logit_softcapping\":null,\"final_logit_softcapping\":null,\"query_pre_attn_scalar\":7,\"tie_word_embeddings\":false"),
        Like("gemma2, listed blocks", "gemma2", "\"sliding_window\":3,\"layer_types\":[\"full_attention\",\"sliding_attention\",\"sliding_attention\"],\"query_pre_attn_scalar\":8,\"attn_logit_softcapping\":2.0"),
        Like("gemma3_text", "gemma3_text", "\"sliding_window\":4,\"sliding_window_pattern\":2,\"rope_theta\":1000.0,\"rope_local_base_freq\":100.0,\"query_pre_attn_scalar\":9,\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8.0}"),
        Like("gemma3_text, rope_parameters", "gemma3_text", "\"sliding_window\":3,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\"],\"query_pre_attn_scalar\":8,\"final_logit_softcapping\":5.0,\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":2.0,\"rope_theta\":900.0},\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":60.0}}"),
        Like("qwen2", "qwen2", "\"use_sliding_window\":false,\"sliding_window\":3,\"max_window_layers\":1"),
        Like("qwen2, windows above", "qwen2", "\"use_sliding_window\":true,\"sliding_window\":3,\"max_window_layers\":1,\"tie_word_embeddings\":true"),
        Like("qwen2, windows as release 4.46 had them", "qwen2", "\"use_sliding_window\":true,\"sliding_window\":3,\"max_window_layers\":2,\"transformers_version\":\"4.46.0\""),
        Like("qwen3", "qwen3", "\"use_sliding_window\":false,\"sliding_window\":null,\"max_window_layers\":1"),
        Like("qwen3, biases and windows", "qwen3", "\"attention_bias\":true,\"use_sliding_window\":true,\"sliding_window\":4,\"max_window_layers\":2,\"tie_word_embeddings\":true"),
        Like("phi3", "phi3", "\"sliding_window\":5,\"original_max_position_embeddings\":64,\"rope_scaling\":null"),
        Like("phi3, longrope within its positions", "phi3", $"\"max_position_embeddings\":64,\"original_max_position_embeddings\":16,\"sliding_window\":null,\"rope_scaling\":{{\"type\":\"su\",{Longrope}}}"),
        Like("phi3, longrope beyond its positions", "phi3", $"\"max_position_embeddings\":64,\"original_max_position_embeddings\":8,\"head_dim\":16,\"partial_rotary_factor\":0.5,\"rope_scaling\":{{\"rope_type\":\"longrope\",{Longrope}}}"),
    ];

    /// <summary>One case of each family, with everything that the family has.</summary>
    internal static IEnumerable<ModelCase> OneOfEach => All.GroupBy(one => one.Config["model_type"]!.GetValue<string>()).Select(group => group.First());

    private static ModelCase Gpt(string name, string further)
    {
        JsonObject config = Parse("\"model_type\":\"gpt2\",\"n_layer\":3,\"n_embd\":16,\"n_head\":2,\"n_positions\":32,\"vocab_size\":23,\"activation_function\":\"gelu_new\",\"layer_norm_epsilon\":1e-5,\"n_inner\":null", further);
        return new(name, config, PlainTensors.Gpt2(config));
    }

    private static ModelCase Neo(string name, string further)
    {
        JsonObject config = Parse("\"model_type\":\"gpt_neo\",\"num_layers\":3,\"hidden_size\":16,\"num_heads\":2,\"max_position_embeddings\":32,\"vocab_size\":23,\"activation_function\":\"gelu_new\",\"layer_norm_epsilon\":1e-5,\"intermediate_size\":null", further);
        return new(name, config, PlainTensors.GptNeo(config));
    }

    private static ModelCase NeoX(string name, string further)
    {
        JsonObject config = Parse("\"model_type\":\"gpt_neox\",\"num_hidden_layers\":2,\"hidden_size\":32,\"num_attention_heads\":2,\"intermediate_size\":20,\"max_position_embeddings\":32,\"vocab_size\":23,\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-5", further);
        return new(name, config, PlainTensors.GptNeoX(config));
    }

    private static ModelCase Like(string name, string family, string further)
    {
        string activation = family.StartsWith("gemma", StringComparison.Ordinal) ? "\"hidden_activation\":\"gelu_pytorch_tanh\"" : "\"hidden_act\":\"silu\"";
        JsonObject config = Parse($"\"model_type\":\"{family}\",\"num_hidden_layers\":3,\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,\"intermediate_size\":20,\"max_position_embeddings\":32,\"vocab_size\":23,\"rms_norm_eps\":1e-5,{activation}", further);
        return new(name, config, PlainTensors.LlamaLike(config));
    }

    private static JsonObject Parse(string common, string further)
    {
        JsonObject config = JsonNode.Parse($"{{{common}}}")!.AsObject();
        foreach ((string key, JsonNode? value) in JsonNode.Parse($"{{{further}}}")!.AsObject()) config[key] = value?.DeepClone();
        return config;
    }
}
