using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Models;

/// <summary>Config keys: what is refused by its name, and what published configs say.</summary>
public sealed class ConfigKeyTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"mrope\",\"factor\":2.0}", "mrope")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"linear\"}", "factor")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":0}", "factor")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2.0,\"temperature\":1}", "temperature")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"linear\",\"type\":\"yarn\",\"factor\":2.0}", "type")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":2.0,\"low_freq_factor\":1.0}", "high_freq_factor")]
    [InlineData("llama", "rope_scaling", "{\"rope_type\":\"longrope\",\"short_factor\":[1.0],\"long_factor\":[1.0,1.0,1.0,1.0]}", "short_factor")]
    [InlineData("llama", "rope_scaling", "\"linear\"", "rope_scaling")]
    [InlineData("llama", "partial_rotary_factor", "0.5", "partial_rotary_factor")]
    [InlineData("llama", "rope_interleaved", "true", "rope_interleaved")]
    [InlineData("llama", "num_key_value_heads", "3", "num_key_value_heads")]
    [InlineData("llama", "head_dim", "7", "7 of 7")]
    [InlineData("llama", "hidden_act", "\"geglu\"", "geglu")]
    [InlineData("llama", "num_hidden_layers", "200000000", "num_hidden_layers")]
    [InlineData("llama", "hidden_size", "2000000000", "hidden_size")]
    [InlineData("llama", "vocab_size", "2.5", "vocab_size")]
    [InlineData("llama", "sliding_window", "4", "sliding_window")]
    [InlineData("gpt_neox", "rotary_pct", "0.2", "rotary_pct")]
    [InlineData("gpt_neo", "attention_types", "[[[\"global\",\"local\"],3]]", "attention_types")]
    [InlineData("gpt_neo", "attention_types", "[[[\"sparse\"],3]]", "attention_types")]
    [InlineData("gpt_neo", "attention_types", "[\"global\"]", "attention_types")]
    [InlineData("gpt_neo", "attention_layers", "[\"local\",\"local\",\"local\"]", "attention_layers")]
    [InlineData("gemma2", "layer_types", "[\"full_attention\"]", "layer_types")]
    [InlineData("gemma2", "layer_types", "[\"full_attention\",\"linear_attention\",\"full_attention\"]", "layer_types")]
    [InlineData("gemma2", "query_pre_attn_scalar", "0", "query_pre_attn_scalar")]
    [InlineData("gemma3_text", "attn_logit_softcapping", "5.0", "attn_logit_softcapping")]
    [InlineData("gemma3_text", "use_bidirectional_attention", "true", "use_bidirectional_attention")]
    [InlineData("qwen2", "use_mrope", "true", "use_mrope")]
    [InlineData("phi3", "mlp_bias", "true", "mlp_bias")]
    [InlineData("mistral", "attention_bias", "true", "attention_bias")]
    public void A_setting_that_cannot_be_computed_is_refused_by_its_name(string family, string key, string value, string named)
    {
        JsonObject config = ModelCases.OneOfEach.Single(one => one.Config["model_type"]!.GetValue<string>() == family).Config.DeepClone().AsObject();
        config[key] = JsonNode.Parse(value);
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => Read(config.ToJsonString())).Message);
    }

    [Fact]
    public void An_unknown_family_is_refused_with_the_nearest_one_and_all_known()
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Read("{\"model_type\":\"gemma4\"}"));
        Assert.Contains("gemma4", error.Message);
        Assert.Contains("qwen3", error.Message);
        Assert.Contains("gemma", error.Hint);
        Assert.Contains("model_type is missing", Assert.Throws<UserErrorException>(() => Read("{}")).Message);
    }

    [Theory]
    [InlineData("[]", "of another kind")]
    [InlineData("null", "null")]
    [InlineData("{\"model_type\":", "config.json")]
    [InlineData("{\"model_type\":\"gpt2\",\"model_type\":\"llama\"}", "model_type")]
    public void What_is_no_config_is_refused_in_words(string text, string what)
    {
        string message = Assert.Throws<UserErrorException>(() => Read(text)).Message;
        Assert.Contains(what, message);
        Assert.DoesNotContain("System.", message);
    }

    [Theory]
    [InlineData("hidden_act", "\"sillu\"", "did you mean silu?")]
    [InlineData("rope_scaling", "{\"rope_type\":\"liner\",\"factor\":2.0}", "did you mean linear?")]
    public void A_slip_of_the_finger_is_answered_with_the_nearest_name(string key, string value, string hint) =>
        Assert.Equal(hint, Assert.Throws<UserErrorException>(() => Read($"{{{Llama},\"{key}\":{value}}}")).Hint);

    [Fact]
    public void Scaled_positions_stretch_the_longest_context()
    {
        int Longest(string scaling) => Read($"{{{Llama},\"rope_scaling\":{scaling}}}").MaxPositions;
        Assert.Equal(2048, Longest("null"));
        Assert.Equal(8192, Longest("{\"type\":\"linear\",\"factor\":4.0}"));
        Assert.Equal(1 << 20, Longest("{\"type\":\"dynamic\",\"factor\":4.0}"));
        Assert.Equal(8192, Longest("{\"type\":\"yarn\",\"factor\":4.0}"));
        Assert.Equal(2048, Longest("{\"rope_type\":\"llama3\",\"factor\":4.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":512}"));
    }

    // Configs as published, where they differ from what the reference library writes by itself.
    [Theory]
    [InlineData("{\"architectures\":[\"GPTNeoXForCausalLM\"],\"bos_token_id\":0,\"eos_token_id\":0,\"hidden_act\":\"gelu\",\"hidden_size\":512,\"initializer_range\":0.02,\"intermediate_size\":2048,\"layer_norm_eps\":1e-05,\"max_position_embeddings\":2048,\"model_type\":\"gpt_neox\",\"num_attention_heads\":8,\"num_hidden_layers\":6,\"rotary_emb_base\":10000,\"rotary_pct\":0.25,\"tie_word_embeddings\":false,\"torch_dtype\":\"float16\",\"transformers_version\":\"4.24.0\",\"use_cache\":true,\"use_parallel_residual\":true,\"vocab_size\":50304}", 6, 64, 16)]
    [InlineData("{\"architectures\":[\"Qwen2ForCausalLM\"],\"attention_dropout\":0.0,\"bos_token_id\":151643,\"eos_token_id\":151643,\"hidden_act\":\"silu\",\"hidden_size\":896,\"initializer_range\":0.02,\"intermediate_size\":4864,\"max_position_embeddings\":32768,\"max_window_layers\":24,\"model_type\":\"qwen2\",\"num_attention_heads\":14,\"num_hidden_layers\":24,\"num_key_value_heads\":2,\"rms_norm_eps\":1e-06,\"rope_theta\":1000000.0,\"sliding_window\":32768,\"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\",\"transformers_version\":\"4.40.1\",\"use_cache\":true,\"use_mrope\":false,\"use_sliding_window\":false,\"vocab_size\":151936}", 24, 64, 64)]
    [InlineData("{\"architectures\":[\"Phi3ForCausalLM\"],\"attention_dropout\":0.0,\"auto_map\":{\"AutoConfig\":\"configuration_phi3.Phi3Config\"},\"bos_token_id\":1,\"embd_pdrop\":0.0,\"eos_token_id\":32000,\"hidden_act\":\"silu\",\"hidden_size\":3072,\"initializer_range\":0.02,\"intermediate_size\":8192,\"max_position_embeddings\":4096,\"model_type\":\"phi3\",\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":32,\"original_max_position_embeddings\":4096,\"pad_token_id\":32000,\"resid_pdrop\":0.0,\"rms_norm_eps\":1e-05,\"rope_scaling\":null,\"rope_theta\":10000.0,\"sliding_window\":2047,\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\",\"transformers_version\":\"4.40.2\",\"use_cache\":true,\"attention_bias\":false,\"vocab_size\":32064}", 32, 96, 96)]
    [InlineData("{\"architectures\":[\"Gemma3ForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,\"attn_logit_softcapping\":null,\"bos_token_id\":2,\"cache_implementation\":\"hybrid\",\"eos_token_id\":1,\"final_logit_softcapping\":null,\"head_dim\":256,\"hidden_activation\":\"gelu_pytorch_tanh\",\"hidden_size\":3840,\"initializer_range\":0.02,\"intermediate_size\":15360,\"max_position_embeddings\":131072,\"model_type\":\"gemma3_text\",\"num_attention_heads\":16,\"num_hidden_layers\":48,\"num_key_value_heads\":8,\"pad_token_id\":0,\"query_pre_attn_scalar\":256,\"rms_norm_eps\":1e-06,\"rope_local_base_freq\":10000.0,\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},\"rope_theta\":1000000.0,\"sliding_window\":1024,\"sliding_window_pattern\":6,\"torch_dtype\":\"bfloat16\",\"transformers_version\":\"4.50.0.dev0\",\"use_cache\":true,\"vocab_size\":262208}", 48, 256, 256)]
    [InlineData("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"boi_token_index\":255999,\"eoi_token_index\":256000,\"eos_token_id\":[1,106],\"image_token_index\":262144,\"initializer_range\":0.02,\"mm_tokens_per_image\":256,\"model_type\":\"gemma3\",\"text_config\":{\"hidden_size\":2560,\"intermediate_size\":10240,\"model_type\":\"gemma3_text\",\"num_hidden_layers\":34,\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},\"sliding_window\":1024},\"torch_dtype\":\"bfloat16\",\"transformers_version\":\"4.50.0.dev0\",\"vision_config\":{\"hidden_size\":1152,\"model_type\":\"siglip_vision_model\"}}", 34, 256, 256)]
    [InlineData("{\"architectures\":[\"LlamaForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,\"bos_token_id\":0,\"eos_token_id\":0,\"hidden_act\":\"silu\",\"hidden_size\":576,\"initializer_range\":0.041666666666666664,\"intermediate_size\":1536,\"is_llama_config\":true,\"max_position_embeddings\":8192,\"model_type\":\"llama\",\"num_attention_heads\":9,\"num_hidden_layers\":30,\"num_key_value_heads\":3,\"pretraining_tp\":1,\"rms_norm_eps\":1e-05,\"rope_interleaved\":false,\"rope_scaling\":null,\"rope_theta\":100000,\"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\",\"transformers.js_config\":{\"dtype\":\"q4\"},\"transformers_version\":\"4.40.1\",\"use_cache\":true,\"vocab_size\":49152}", 30, 64, 64)]
    [InlineData("{\"architectures\":[\"Gemma2ForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,\"attn_logit_softcapping\":50.0,\"bos_token_id\":2,\"cache_implementation\":\"hybrid\",\"eos_token_id\":1,\"final_logit_softcapping\":30.0,\"head_dim\":256,\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":\"gelu_pytorch_tanh\",\"hidden_size\":3584,\"initializer_range\":0.02,\"intermediate_size\":14336,\"max_position_embeddings\":8192,\"model_type\":\"gemma2\",\"num_attention_heads\":16,\"num_hidden_layers\":42,\"num_key_value_heads\":8,\"pad_token_id\":0,\"query_pre_attn_scalar\":256,\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,\"sliding_window\":4096,\"sliding_window_size\":4096,\"torch_dtype\":\"float32\",\"transformers_version\":\"4.42.0.dev0\",\"use_cache\":true,\"vocab_size\":256000}", 42, 256, 256)]
    public void Published_configs_are_read(string config, int layers, int width, int turning)
    {
        TransformerConfig shape = Read(config);
        Assert.Equal(layers, shape.Layers);
        Assert.Equal(width, shape.DHead);
        Assert.All(shape.Attention, block => Assert.Equal(turning, block.Rotary!.Dimensions));
    }

    private const string Llama = "\"model_type\":\"llama\",\"vocab_size\":9,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":1,\"max_position_embeddings\":2048";

    private TransformerConfig Read(string config)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        return Transformer.Shape(folder);
    }
}
