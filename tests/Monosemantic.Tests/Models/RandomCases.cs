using System.Text.Json.Nodes;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Models;

/// <summary>
/// Configurations drawn at random over what a family's checkpoints may say: sizes that are multiples of nothing, odd numbers of
/// heads in groups of any size, old and new keys of the rotation, windows shorter than the text, biases, ties, caps.
/// </summary>
internal sealed class RandomCases
{
    private readonly string family;
    private readonly SeededRandom random;
    private readonly int layers;
    private readonly Dictionary<string, JsonNode?> keys = [];

    private RandomCases(string family, int seed)
    {
        this.family = family;
        random = new SeededRandom((seed * 1000L) + family.Sum(letter => (long)letter));
        layers = From(1, 3);
    }

    /// <summary>Draws a case, and two sequences for it.</summary>
    internal static (ModelCase Case, int[][] Tokens) Of(string family, int seed)
    {
        var draw = new RandomCases(family, seed);
        int length = draw.From(1, 17), vocabulary = draw.From(2, 61);
        draw.Put("model_type", family);
        draw.Put("vocab_size", vocabulary);
        draw.Put("tie_word_embeddings", draw.Coin());
        if (family == "gpt2") draw.Gpt2(length);
        else if (family == "gpt_neo") draw.GptNeo(length);
        else if (family == "gpt_neox") draw.GptNeoX(length);
        else draw.LlamaLike(length);
        var drawn = new JsonObject(draw.keys.OrderBy(_ => draw.random.Next(1 << 20)).Select(pair => KeyValuePair.Create(pair.Key, pair.Value)));
        JsonObject config = JsonNode.Parse(drawn.ToJsonString())!.AsObject();
        Dictionary<string, long[]> shapes = family switch { "gpt2" => PlainTensors.Gpt2(config), "gpt_neo" => PlainTensors.GptNeo(config), "gpt_neox" => PlainTensors.GptNeoX(config), _ => PlainTensors.LlamaLike(config) };
        int[][] tokens = [.. Enumerable.Range(0, 2).Select(_ => Enumerable.Range(0, length).Select(_ => draw.random.Next(vocabulary)).ToArray())];
        return (new($"{family} {seed}", config, shapes), tokens);
    }

    private void Gpt2(int length)
    {
        (int heads, int width) = (From(1, 5), From(3, 9));
        Put("n_layer", layers);
        Put("n_head", heads);
        Put("n_embd", heads * width);
        Put("n_positions", length + random.Next(9));
        Put("n_inner", Coin() ? null : From(1, 40));
        Put("activation_function", OneOf("gelu_new", "gelu", "relu", "silu", "quick_gelu", "tanh", "gelu_fast"));
        Put("layer_norm_epsilon", OneOf(1e-5, 1e-6, 1e-3));
        Put("scale_attn_weights", random.Next(4) > 0);
        Put("scale_attn_by_inverse_layer_idx", Coin());
    }

    private void GptNeo(int length)
    {
        (int heads, int width) = (From(1, 5), From(3, 9));
        Put("num_layers", layers);
        Put("num_heads", heads);
        Put("hidden_size", heads * width);
        Put("max_position_embeddings", length + random.Next(9));
        Put("intermediate_size", Coin() ? null : From(1, 40));
        Put("activation_function", OneOf("gelu_new", "gelu", "relu"));
        Put("layer_norm_epsilon", OneOf(1e-5, 1e-6, 1e-3));
        Put("window_size", From(1, 20));
        Put("attention_types", new JsonArray([.. Enumerable.Range(0, layers).Select(_ => new JsonArray(new JsonArray(OneOf("global", "local")), 1))]));
    }

    private void GptNeoX(int length)
    {
        (int heads, int width) = (From(1, 5), From(4, 11));
        int turning = 2 * From(width < 8 ? 1 : 2, width / 2);
        double share = Math.Min(1, (turning + 0.5) / width);
        Put("num_hidden_layers", layers);
        Put("num_attention_heads", heads);
        Put("hidden_size", heads * width);
        Put("intermediate_size", From(1, 40));
        Put("max_position_embeddings", length + random.Next(9));
        Put("hidden_act", OneOf("gelu", "gelu_new", "relu"));
        Put("layer_norm_eps", OneOf(1e-5, 1e-6, 1e-3));
        Put("use_parallel_residual", Coin());
        Put("attention_bias", Coin());
        Rotation(length, turning, share);
    }

    private void LlamaLike(int length)
    {
        bool gemma = family.StartsWith("gemma", StringComparison.Ordinal), ownWidth = gemma || family == "qwen3" || (family is "llama" or "mistral" && Coin());
        (int shared, int group, int width) = (From(1, 4), From(1, 4), 2 * From(2, 6));
        int heads = shared * group;
        Put("num_hidden_layers", layers);
        Put("num_attention_heads", heads);
        Put("num_key_value_heads", group == 1 && Coin() ? null : shared);
        Put("hidden_size", ownWidth ? From(4, 41) : heads * width);
        if (ownWidth) Put("head_dim", width);
        Put("intermediate_size", From(8, 40));
        Put("max_position_embeddings", length + random.Next(9));
        Put("rms_norm_eps", OneOf(1e-5, 1e-6, 1e-3));
        if (gemma) Put("hidden_activation", OneOf("gelu_pytorch_tanh", "gelu"));
        else Put("hidden_act", OneOf("silu", "gelu", "relu"));
        if (family is not ("mistral" or "phi3" or "qwen2")) Put("attention_bias", Coin());
        if (family == "llama") Put("mlp_bias", Coin());
        Windows();
        if (family is "gemma2" or "gemma3_text")
        {
            Put("query_pre_attn_scalar", From(1, 30));
            Put("final_logit_softcapping", Coin() ? null : OneOf(2.0, 30.0));
            if (family == "gemma2") Put("attn_logit_softcapping", Coin() ? null : OneOf(1.5, 50.0));
        }
        if (family == "gemma3_text") TwoRotations();
        else if (family == "phi3") LongRotation(length, width);
        else Rotation(length, width, null);
    }

    private void Windows()
    {
        if (family is "llama" or "gemma") return;
        bool alternating = family is "gemma2" or "gemma3_text", optional = family is "qwen2" or "qwen3";
        Put("sliding_window", !alternating && random.Next(4) == 0 ? null : From(1, 20));
        if (optional) Put("use_sliding_window", keys["sliding_window"] is not null && Coin());
        if (optional) Put("max_window_layers", From(0, layers));
        if (family == "gemma3_text") Put("sliding_window_pattern", From(1, 3));
        bool listed = keys["sliding_window"] is not null && (!optional || keys["use_sliding_window"]!.GetValue<bool>()) && random.Next(3) == 0 && (alternating || optional);
        if (listed) Put("layer_types", new JsonArray([.. Enumerable.Range(0, layers).Select(_ => (JsonNode)OneOf("full_attention", "sliding_attention"))]));
    }

    // One rotation for all blocks, by the older keys or by the newer one. Only GPT-NeoX has a share of its own.
    private void Rotation(int length, int dimensions, double? share)
    {
        double theta = OneOf(10_000.0, 500_000.0, 100.0);
        JsonObject? scaling = Scaling(length, dimensions);
        if (Coin())
        {
            JsonObject parameters = scaling ?? new() { ["rope_type"] = "default" };
            parameters["rope_theta"] = theta;
            if (share is not null) parameters["partial_rotary_factor"] = share;
            Put("rope_parameters", parameters);
            return;
        }
        Put(share is null ? "rope_theta" : "rotary_emb_base", theta);
        if (share is not null) Put("rotary_pct", share);
        if (scaling is not null || Coin()) Put("rope_scaling", scaling);
    }

    // The texts may be longer than the positions before they were scaled.
    private JsonObject? Scaling(int length, int dimensions)
    {
        int kind = random.Next(6);
        if (kind < 2) Put("max_position_embeddings", Math.Max(2, length + From(-6, 9)));
        return Scaling(kind, length, dimensions);
    }

    private JsonObject? Scaling(int kind, int length, int dimensions) => kind switch
    {
        0 => new() { [OneOf("type", "rope_type")] = "linear", ["factor"] = OneOf(8.0, 9.5) },
        1 when dimensions >= 4 => new() { ["rope_type"] = "dynamic", ["factor"] = OneOf(2.0, 4.5) },
        1 => new() { ["rope_type"] = "linear", ["factor"] = 8.0 },
        2 => new() { ["rope_type"] = "llama3", ["factor"] = 8.0, ["low_freq_factor"] = 1.0, ["high_freq_factor"] = OneOf(4.0, 1.5), ["original_max_position_embeddings"] = From(4, 64) },
        3 => new() { ["rope_type"] = "yarn", ["factor"] = OneOf(8.0, 16.0), ["original_max_position_embeddings"] = Math.Max(8, length) },
        _ => null,
    };

    private void TwoRotations()
    {
        if (Coin())
        {
            Put("rope_parameters", new JsonObject
            {
                ["full_attention"] = new JsonObject { ["rope_type"] = "linear", ["factor"] = 4.0, ["rope_theta"] = OneOf(1e6, 900.0) },
                ["sliding_attention"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = OneOf(1e4, 60.0) },
            });
            return;
        }
        Put("rope_theta", OneOf(1e6, 900.0));
        Put("rope_local_base_freq", OneOf(1e4, 60.0));
        if (Coin()) Put("rope_scaling", new JsonObject { ["rope_type"] = "linear", ["factor"] = OneOf(2.0, 8.0) });
    }

    private void LongRotation(int length, int width)
    {
        Put("original_max_position_embeddings", Coin() ? length + 2 : Math.Max(2, length - 2));
        Put("max_position_embeddings", length + 4);
        Put("rope_theta", OneOf(10_000.0, 100.0));
        JsonArray Divisors() => new([.. Enumerable.Range(0, width / 2).Select(_ => (JsonNode)(1 + Math.Round(random.NextDouble() * 4, 3)))]);
        if (Coin()) Put("rope_scaling", new JsonObject { [OneOf("type", "rope_type")] = "longrope", ["short_factor"] = Divisors(), ["long_factor"] = Divisors() });
    }

    private void Put(string key, JsonNode? value) => keys[key] = value;

    private bool Coin() => random.Next(2) == 0;

    private int From(int first, int last) => first + random.Next(last - first + 1);

    private T OneOf<T>(params T[] choices) => choices[random.Next(choices.Length)];
}
