using System.Text.Json.Nodes;

namespace Monosemantic.Tests.Models;

/// <summary>Names and shapes of the tensors that each family's files hold, from the families' published code.</summary>
internal static class PlainTensors
{
    internal static Dictionary<string, long[]> Gpt2(JsonObject config)
    {
        long d = config.Whole("n_embd"), inner = config.Whole("n_inner", 4 * d), vocabulary = config.Whole("vocab_size");
        var shapes = new Dictionary<string, long[]> { ["transformer.wte.weight"] = [vocabulary, d], ["transformer.wpe.weight"] = [config.Whole("n_positions"), d] };
        for (int i = 0; i < config.Whole("n_layer"); i++)
        {
            string at = $"transformer.h.{i}.";
            Biased(shapes, at + "ln_1", [d], d);
            Biased(shapes, at + "attn.c_attn", [d, 3 * d], 3 * d);
            Biased(shapes, at + "attn.c_proj", [d, d], d);
            Biased(shapes, at + "ln_2", [d], d);
            Biased(shapes, at + "mlp.c_fc", [d, inner], inner);
            Biased(shapes, at + "mlp.c_proj", [inner, d], d);
        }
        Biased(shapes, "transformer.ln_f", [d], d);
        if (!config.Flag("tie_word_embeddings", true)) shapes["lm_head.weight"] = [vocabulary, d];
        return shapes;
    }

    internal static Dictionary<string, long[]> GptNeo(JsonObject config)
    {
        long d = config.Whole("hidden_size"), inner = config.Whole("intermediate_size", 4 * d), vocabulary = config.Whole("vocab_size");
        var shapes = new Dictionary<string, long[]> { ["transformer.wte.weight"] = [vocabulary, d], ["transformer.wpe.weight"] = [config.Whole("max_position_embeddings"), d] };
        for (int i = 0; i < config.Whole("num_layers"); i++)
        {
            string at = $"transformer.h.{i}.";
            Biased(shapes, at + "ln_1", [d], d);
            foreach (string part in new[] { "q_proj", "k_proj", "v_proj" }) shapes[$"{at}attn.attention.{part}.weight"] = [d, d];
            Biased(shapes, at + "attn.attention.out_proj", [d, d], d);
            Biased(shapes, at + "ln_2", [d], d);
            Biased(shapes, at + "mlp.c_fc", [inner, d], inner);
            Biased(shapes, at + "mlp.c_proj", [d, inner], d);
        }
        Biased(shapes, "transformer.ln_f", [d], d);
        if (!config.Flag("tie_word_embeddings", true)) shapes["lm_head.weight"] = [vocabulary, d];
        return shapes;
    }

    internal static Dictionary<string, long[]> GptNeoX(JsonObject config)
    {
        long d = config.Whole("hidden_size"), inner = config.Whole("intermediate_size"), vocabulary = config.Whole("vocab_size");
        bool bias = config.Flag("attention_bias", true);
        var shapes = new Dictionary<string, long[]> { ["gpt_neox.embed_in.weight"] = [vocabulary, d] };
        for (int i = 0; i < config.Whole("num_hidden_layers"); i++)
        {
            string at = $"gpt_neox.layers.{i}.";
            Biased(shapes, at + "input_layernorm", [d], d);
            Biased(shapes, at + "attention.query_key_value", [3 * d, d], 3 * d, bias);
            Biased(shapes, at + "attention.dense", [d, d], d, bias);
            Biased(shapes, at + "post_attention_layernorm", [d], d);
            Biased(shapes, at + "mlp.dense_h_to_4h", [inner, d], inner);
            Biased(shapes, at + "mlp.dense_4h_to_h", [d, inner], d);
        }
        Biased(shapes, "gpt_neox.final_layer_norm", [d], d);
        if (!config.Flag("tie_word_embeddings", false)) shapes["embed_out.weight"] = [vocabulary, d];
        return shapes;
    }

    internal static Dictionary<string, long[]> LlamaLike(JsonObject config)
    {
        string family = config["model_type"]!.GetValue<string>();
        bool gemma = family.StartsWith("gemma", StringComparison.Ordinal);
        long d = config.Whole("hidden_size"), vocabulary = config.Whole("vocab_size");
        var shapes = new Dictionary<string, long[]> { ["model.embed_tokens.weight"] = [vocabulary, d] };
        for (int i = 0; i < config.Whole("num_hidden_layers"); i++)
        {
            string at = $"model.layers.{i}.";
            foreach (string norm in new[] { "input_layernorm", "post_attention_layernorm" }) shapes[$"{at}{norm}.weight"] = [d];
            if (family is "gemma2" or "gemma3_text") foreach (string norm in new[] { "pre_feedforward_layernorm", "post_feedforward_layernorm" }) shapes[$"{at}{norm}.weight"] = [d];
            Attention(shapes, config, family, at);
            Mlp(shapes, config, family, at);
        }
        shapes["model.norm.weight"] = [d];
        if (!config.Flag("tie_word_embeddings", gemma)) shapes["lm_head.weight"] = [vocabulary, d];
        return shapes;
    }

    private static void Attention(Dictionary<string, long[]> shapes, JsonObject config, string family, string at)
    {
        long d = config.Whole("hidden_size"), heads = config.Whole("num_attention_heads"), width = config.HeadWidth(), q = heads * width, kv = config.Whole("num_key_value_heads", heads) * width;
        bool bias = config.Flag("attention_bias", false);
        if (family == "phi3") shapes[at + "self_attn.qkv_proj.weight"] = [q + kv + kv, d];
        else foreach ((string name, long outputs) in new[] { ("q_proj", q), ("k_proj", kv), ("v_proj", kv) }) Biased(shapes, $"{at}self_attn.{name}", [outputs, d], outputs, bias || family == "qwen2");
        Biased(shapes, at + "self_attn.o_proj", [d, q], d, bias);
        if (family is "qwen3" or "gemma3_text") foreach (string norm in new[] { "q_norm", "k_norm" }) shapes[$"{at}self_attn.{norm}.weight"] = [width];
    }

    private static void Mlp(Dictionary<string, long[]> shapes, JsonObject config, string family, string at)
    {
        long d = config.Whole("hidden_size"), inner = config.Whole("intermediate_size");
        bool bias = config.Flag("mlp_bias", false);
        if (family == "phi3") shapes[at + "mlp.gate_up_proj.weight"] = [2 * inner, d];
        else foreach (string name in new[] { "gate_proj", "up_proj" }) Biased(shapes, $"{at}mlp.{name}", [inner, d], inner, bias);
        Biased(shapes, at + "mlp.down_proj", [d, inner], d, bias);
    }

    private static void Biased(Dictionary<string, long[]> shapes, string name, long[] weight, long outputs, bool bias = true)
    {
        shapes[name + ".weight"] = weight;
        if (bias) shapes[name + ".bias"] = [outputs];
    }

    /// <summary>Width of a head of the families built on Llama.</summary>
    internal static long HeadWidth(this JsonObject config)
    {
        string family = config["model_type"]!.GetValue<string>();
        long share = config.Whole("hidden_size") / config.Whole("num_attention_heads");
        return config.Whole("head_dim", family.StartsWith("gemma", StringComparison.Ordinal) ? 256 : family == "qwen3" ? 128 : share);
    }

    internal static long Whole(this JsonObject config, string key, long? absent = null) => config[key]?.GetValue<long>() ?? absent ?? throw new InvalidOperationException(key);

    internal static double Real(this JsonObject config, string key, double absent) => config[key]?.GetValue<double>() ?? absent;

    internal static bool Flag(this JsonObject config, string key, bool absent) => config[key]?.GetValue<bool>() ?? absent;
}
