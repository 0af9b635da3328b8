using System.Text.Json.Nodes;

namespace Monosemantic.Tests.Models;

/// <summary>
/// A second implementation of every family, from the published equations: plain loops over one context in double precision,
/// by the config's own keys, and nothing shared with the library.
/// </summary>
internal sealed class PlainDecoder(JsonObject config, IReadOnlyDictionary<string, double[]> tensors, int[] tokens)
{
    private readonly string family = config["model_type"]!.GetValue<string>();

    /// <summary>What each hook point of the pass held, each as [t, ..] row by row; scores and pattern as [head, t, t].</summary>
    internal Dictionary<string, double[]> Seen { get; } = [];

    private bool IsLlamaLike => family is not ("gpt2" or "gpt_neo" or "gpt_neox");
    private int Layers => (int)config.Whole(family switch { "gpt2" => "n_layer", "gpt_neo" => "num_layers", _ => "num_hidden_layers" });
    private int Width => (int)config.Whole(family == "gpt2" ? "n_embd" : "hidden_size");
    private int Heads => (int)config.Whole(family switch { "gpt2" => "n_head", "gpt_neo" => "num_heads", _ => "num_attention_heads" });
    private int Shared => IsLlamaLike ? (int)config.Whole("num_key_value_heads", Heads) : Heads;
    private int HeadWidth => IsLlamaLike ? (int)config.HeadWidth() : Width / Heads;
    private bool IsGemma => family.StartsWith("gemma", StringComparison.Ordinal);
    private bool HasPostNorms => family is "gemma2" or "gemma3_text";
    private double Epsilon => config.Real(IsLlamaLike ? "rms_norm_eps" : family == "gpt_neox" ? "layer_norm_eps" : "layer_norm_epsilon", 1e-6);

    /// <summary>Runs the model; the logits are in <see cref="Seen"/>.</summary>
    internal void Run()
    {
        double[] embedding = tensors[family switch { "gpt2" or "gpt_neo" => "transformer.wte.weight", "gpt_neox" => "gpt_neox.embed_in.weight", _ => "model.embed_tokens.weight" }];
        double scale = IsGemma ? Math.Sqrt(Width) : 1;
        double[] x = Save("hook_embed", [.. tokens.SelectMany(token => embedding.Skip(token * Width).Take(Width)).Select(value => scale * value)]);
        if (family is "gpt2" or "gpt_neo") x = Sum(x, Save("hook_pos_embed", [.. tensors["transformer.wpe.weight"].Take(x.Length)]));
        for (int i = 0; i < Layers; i++) x = Block(i, x);
        double[] final = Norm("ln_final", family switch { "gpt2" or "gpt_neo" => "transformer.ln_f", "gpt_neox" => "gpt_neox.final_layer_norm", _ => "model.norm" }, x, Width);
        string head = family == "gpt_neox" ? "embed_out.weight" : "lm_head.weight";
        double[] logits = Map(final, tensors.GetValueOrDefault(head, embedding), null, Width);
        Seen["logits"] = config["final_logit_softcapping"] is { } cap ? [.. logits.Select(value => cap.GetValue<double>() * Math.Tanh(value / cap.GetValue<double>()))] : logits;
    }

    private double[] Block(int i, double[] x)
    {
        string at = family switch { "gpt2" or "gpt_neo" => $"transformer.h.{i}.", "gpt_neox" => $"gpt_neox.layers.{i}.", _ => $"model.layers.{i}." }, hook = $"blocks.{i}.";
        Save(hook + "hook_resid_pre", x);
        double[] attention = Save(hook + "hook_attn_out", Posted(hook + "ln1_post", at + "post_attention_layernorm", Attention(i, at, hook, Norm(hook + "ln1", at + (IsLlamaLike || family == "gpt_neox" ? "input_layernorm" : "ln_1"), x, Width))));
        double[] mid = Sum(x, attention);
        bool parallel = family == "gpt_neox" && config.Flag("use_parallel_residual", true);
        if (!parallel) Save(hook + "hook_resid_mid", mid);
        string second = HasPostNorms ? "pre_feedforward_layernorm" : IsLlamaLike || family == "gpt_neox" ? "post_attention_layernorm" : "ln_2";
        double[] mlp = Save(hook + "hook_mlp_out", Posted(hook + "ln2_post", at + "post_feedforward_layernorm", Mlp(at, hook, Norm(hook + "ln2", at + second, parallel ? x : mid, Width))));
        return Save(hook + "hook_resid_post", Sum(mid, mlp));
    }

    private double[] Posted(string hook, string name, double[] x) => HasPostNorms ? Norm(hook, name, x, Width) : x;

    private double[] Attention(int i, string at, string hook, double[] input)
    {
        (double[] q, double[] k, double[] v) = Projected(at, input);
        (q, k, v) = (Save(hook + "attn.hook_q", q), Save(hook + "attn.hook_k", k), Save(hook + "attn.hook_v", v));
        if (family is "qwen3" or "gemma3_text") (q, k) = (Norm("", at + "self_attn.q_norm", q, HeadWidth), Norm("", at + "self_attn.k_norm", k, HeadWidth));
        if (PlainPositions.Of(config, family, Window(i) is not null, HeadWidth, tokens.Length) is { } positions)
        {
            q = Save(hook + "attn.hook_rot_q", Turned(q, Heads, positions));
            k = Save(hook + "attn.hook_rot_k", Turned(k, Shared, positions));
        }
        double[] z = Save(hook + "attn.hook_z", Attended(i, hook, q, k, v));
        return family switch
        {
            "gpt2" => Conv(z, at + "attn.c_proj", Heads * HeadWidth),
            "gpt_neo" => Linear(z, at + "attn.attention.out_proj", Width),
            "gpt_neox" => Linear(z, at + "attention.dense", Width),
            _ => Linear(z, at + "self_attn.o_proj", Heads * HeadWidth),
        };
    }

    private (double[] Q, double[] K, double[] V) Projected(string at, double[] input)
    {
        int q = Heads * HeadWidth, kv = Shared * HeadWidth;
        if (family == "gpt2" || family == "phi3")
        {
            double[] joined = family == "gpt2" ? Conv(input, at + "attn.c_attn", Width) : Linear(input, at + "self_attn.qkv_proj", Width);
            return (Columns(joined, q + kv + kv, 0, q), Columns(joined, q + kv + kv, q, kv), Columns(joined, q + kv + kv, q + kv, kv));
        }
        if (family == "gpt_neox")
        {
            double[] mixed = Linear(input, at + "attention.query_key_value", Width);
            double[] Part(int part) => [.. Enumerable.Range(0, tokens.Length * Heads).SelectMany(row => mixed.Skip(((3 * row) + part) * HeadWidth).Take(HeadWidth))];
            return (Part(0), Part(1), Part(2));
        }
        string prefix = at + (family == "gpt_neo" ? "attn.attention." : "self_attn.");
        return (Linear(input, prefix + "q_proj", Width), Linear(input, prefix + "k_proj", Width), Linear(input, prefix + "v_proj", Width));
    }

    private double[] Attended(int i, string hook, double[] q, double[] k, double[] v)
    {
        int length = tokens.Length, d = HeadWidth;
        double[] scores = new double[Heads * length * length], pattern = new double[scores.Length], z = new double[length * Heads * d];
        for (int row = 0; row < Heads * length; row++)
        {
            (int head, int query) = (row / length, row % length);
            int shared = head / (Heads / Shared);
            for (int key = 0; key < length; key++)
            {
                double product = 0;
                for (int c = 0; c < d; c++) product += q[(((query * Heads) + head) * d) + c] * k[(((key * Shared) + shared) * d) + c];
                bool visible = key <= query && !(query - key >= Window(i));
                scores[(row * length) + key] = visible ? Capped(product * Scale(i)) : double.NegativeInfinity;
            }
            double largest = Enumerable.Range(0, length).Max(key => scores[(row * length) + key]), sum = 0;
            for (int key = 0; key < length; key++) sum += pattern[(row * length) + key] = Math.Exp(scores[(row * length) + key] - largest);
            for (int key = 0; key < length; key++)
            {
                double share = pattern[(row * length) + key] /= sum;
                for (int c = 0; c < d; c++) z[(((query * Heads) + head) * d) + c] += share * v[(((key * Shared) + shared) * d) + c];
            }
        }
        Save(hook + "attn.hook_attn_scores", scores);
        Save(hook + "attn.hook_pattern", pattern);
        return z;
    }

    private double Capped(double score) => family == "gemma2" && config["attn_logit_softcapping"] is { } cap ? cap.GetValue<double>() * Math.Tanh(score / cap.GetValue<double>()) : score;

    private double Scale(int i) => family switch
    {
        "gpt2" => (config.Flag("scale_attn_weights", true) ? 1 / Math.Sqrt(HeadWidth) : 1) / (config.Flag("scale_attn_by_inverse_layer_idx", false) ? i + 1 : 1),
        "gpt_neo" => 1,
        "gemma2" or "gemma3_text" => 1 / Math.Sqrt(config.Real("query_pre_attn_scalar", 256)),
        _ => 1 / Math.Sqrt(HeadWidth),
    };

    private int? Window(int i)
    {
        int? window = (int?)(config["sliding_window"] ?? config["window_size"])?.GetValue<long>();
        if (config["layer_types"] is JsonArray listed) return listed[i]!.GetValue<string>() == "sliding_attention" ? window : null;
        bool narrow = family switch
        {
            "gpt_neo" => config["attention_types"]!.AsArray().SelectMany(pair => Enumerable.Repeat(pair![0]!.AsArray(), pair[1]!.GetValue<int>()).SelectMany(kinds => kinds)).ElementAt(i)!.GetValue<string>() == "local",
            "gemma2" => i % 2 == 0,
            "gemma3_text" => (i + 1) % config.Whole("sliding_window_pattern") != 0,
            "qwen2" or "qwen3" => config.Flag("use_sliding_window", false) && (config["transformers_version"] is not null || i >= config.Whole("max_window_layers")),
            _ => true,
        };
        return narrow ? window : null;
    }

    private double[] Mlp(string at, string hook, double[] input)
    {
        int inner = (int)(family == "gpt2" ? config.Whole("n_inner", 4 * Width) : config.Whole("intermediate_size", 4 * Width));
        if (!IsLlamaLike)
        {
            (string up, string down) = family == "gpt_neox" ? ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h") : ("mlp.c_fc", "mlp.c_proj");
            double[] pre = Save(hook + "mlp.hook_pre", family == "gpt2" ? Conv(input, at + up, Width) : Linear(input, at + up, Width));
            double[] post = Save(hook + "mlp.hook_post", [.. pre.Select(Activated)]);
            return family == "gpt2" ? Conv(post, at + down, inner) : Linear(post, at + down, inner);
        }
        double[] both = family == "phi3" ? Linear(input, at + "mlp.gate_up_proj", Width) : [];
        double[] gate = Save(hook + "mlp.hook_pre", family == "phi3" ? Columns(both, 2 * inner, 0, inner) : Linear(input, at + "mlp.gate_proj", Width));
        double[] linear = Save(hook + "mlp.hook_pre_linear", family == "phi3" ? Columns(both, 2 * inner, inner, inner) : Linear(input, at + "mlp.up_proj", Width));
        return Linear(Save(hook + "mlp.hook_post", [.. gate.Zip(linear, (g, x) => Activated(g) * x)]), at + "mlp.down_proj", inner);
    }

    private double Activated(double x)
    {
        string name = (config["hidden_activation"] ?? (IsGemma ? null : config["hidden_act"]) ?? config["activation_function"])?.GetValue<string>() ?? "gelu_pytorch_tanh";
        return name switch
        {
            "gelu" => x * PlainMath.NormalBelow(x),
            "relu" => Math.Max(0, x),
            "silu" => x / (1 + Math.Exp(-x)),
            "quick_gelu" => x / (1 + Math.Exp(-1.702 * x)),
            "tanh" => Math.Tanh(x),
            "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
            _ => throw new InvalidOperationException(name),
        };
    }

    private double[] Norm(string hook, string name, double[] x, int width)
    {
        double[] weight = tensors[name + ".weight"], bias = tensors.GetValueOrDefault(name + ".bias", new double[width]), scales = new double[x.Length / width], normalized = new double[x.Length], result = new double[x.Length];
        for (int row = 0; row < scales.Length; row++)
        {
            Span<double> values = x.AsSpan(row * width, width);
            double mean = IsLlamaLike ? 0 : PlainMath.Mean(values, 0, 1), scale = scales[row] = Math.Sqrt(PlainMath.Mean(values, mean, 2) + Epsilon);
            for (int c = 0; c < width; c++)
            {
                normalized[(row * width) + c] = (values[c] - mean) / scale;
                result[(row * width) + c] = (normalized[(row * width) + c] * (weight[c] + (IsGemma ? 1 : 0))) + bias[c];
            }
        }
        if (hook.Length > 0) (Seen[hook + ".hook_scale"], Seen[hook + ".hook_normalized"]) = (scales, normalized);
        return result;
    }

    private double[] Turned(double[] x, int heads, PlainPositions positions)
    {
        double[] turned = [.. x];
        for (int row = 0; row < tokens.Length * heads; row++) positions.Turn(turned.AsSpan(row * HeadWidth, HeadWidth), row / heads);
        return turned;
    }

    private double[] Save(string hook, double[] value) => Seen[hook] = value;

    private double[] Linear(double[] x, string name, int inputs) => Map(x, tensors[name + ".weight"], tensors.GetValueOrDefault(name + ".bias"), inputs);

    private double[] Conv(double[] x, string name, int inputs) => Map(x, PlainMath.Transposed(tensors[name + ".weight"], inputs), tensors[name + ".bias"], inputs);

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Columns(double[] x, int width, int first, int count) => [.. Enumerable.Range(0, x.Length / width).SelectMany(row => x.Skip((row * width) + first).Take(count))];

    // y = x W^T + b with W [out, in].
    private static double[] Map(double[] x, double[] weight, double[]? bias, int inputs)
    {
        int outputs = weight.Length / inputs, rows = x.Length / inputs;
        double[] y = new double[rows * outputs];
        for (int i = 0; i < y.Length; i++)
        {
            (int row, int output) = (i / outputs, i % outputs);
            double sum = bias?[output] ?? 0;
            for (int c = 0; c < inputs; c++) sum += x[(row * inputs) + c] * weight[(output * inputs) + c];
            y[i] = sum;
        }
        return y;
    }
}
