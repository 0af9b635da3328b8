using System.Text.Json.Nodes;

namespace Monosemantic.Tests.Models;

/// <summary>Rotary angles from the papers' formulas, one frequency at a time, in double precision.</summary>
/// <param name="Frequencies">Radians per position, one for each pair of dimensions that turns.</param>
/// <param name="Factor">On cosines and sines.</param>
internal sealed record PlainPositions(double[] Frequencies, double Factor)
{
    /// <summary>The positions of a block.</summary>
    /// <param name="config">The config.</param>
    /// <param name="family">Its family.</param>
    /// <param name="windowed">Whether the block sees only a window.</param>
    /// <param name="width">Width of a head.</param>
    /// <param name="length">Tokens in the context.</param>
    internal static PlainPositions? Of(JsonObject config, string family, bool windowed, int width, int length)
    {
        if (family is "gpt2" or "gpt_neo") return null;
        JsonObject? scaling = config["rope_scaling"]?.AsObject() ?? config["rope_parameters"]?.AsObject();
        if (family == "gemma3_text") return Gemma3(config, windowed, width, length);
        double theta = scaling?["rope_theta"]?.GetValue<double>() ?? config["rotary_emb_base"]?.GetValue<double>() ?? config.Real("rope_theta", 10_000);
        double share = scaling?["partial_rotary_factor"]?.GetValue<double>() ?? config["rotary_pct"]?.GetValue<double>() ?? config.Real("partial_rotary_factor", 1);
        return Scaled(config, scaling, theta, (int)(width * share), length);
    }

    // Turns pairs (j, j + n) of one head's vector in place.
    internal void Turn(Span<double> head, int position)
    {
        int pairs = Frequencies.Length;
        for (int j = 0; j < pairs; j++)
        {
            double angle = position * Frequencies[j], cosine = Factor * Math.Cos(angle), sine = Factor * Math.Sin(angle), a = head[j], b = head[j + pairs];
            (head[j], head[j + pairs]) = ((a * cosine) - (b * sine), (b * cosine) + (a * sine));
        }
    }

    private static PlainPositions Gemma3(JsonObject config, bool windowed, int width, int length)
    {
        JsonObject? own = config["rope_parameters"]?[windowed ? "sliding_attention" : "full_attention"]?.AsObject();
        double theta = own?["rope_theta"]?.GetValue<double>() ?? (windowed ? config.Real("rope_local_base_freq", 10_000) : config.Real("rope_theta", 1_000_000));
        return Scaled(config, own ?? (windowed ? null : config["rope_scaling"]?.AsObject()), theta, width, length);
    }

    private static PlainPositions Scaled(JsonObject config, JsonObject? scaling, double theta, int dimensions, int length)
    {
        double[] plain = [.. Enumerable.Range(0, dimensions / 2).Select(j => Math.Pow(theta, -2.0 * j / dimensions))];
        string type = (scaling?["rope_type"] ?? scaling?["type"])?.GetValue<string>() ?? "default";
        double factor = scaling?["factor"]?.GetValue<double>() ?? 1, positions = config.Real("max_position_embeddings", 0);
        double Key(string key, double absent) => scaling![key]?.GetValue<double>() ?? absent;
        switch (type)
        {
            case "default":
                return new(plain, 1);
            case "linear":
                return new([.. plain.Select(frequency => frequency / factor)], 1);
            case "dynamic":
                double stretched = theta * Math.Pow(length <= positions ? 1 : (factor * length / positions) - factor + 1, dimensions / (dimensions - 2.0));
                return new([.. plain.Select((_, j) => Math.Pow(stretched, -2.0 * j / dimensions))], 1);
            case "llama3":
                double low = Key("low_freq_factor", 0), high = Key("high_freq_factor", 0), turns = Key("original_max_position_embeddings", 0) / (2 * Math.PI);
                return new([.. plain.Select(frequency => frequency * Blend(Math.Clamp(((turns * frequency) - low) / (high - low), 0, 1), factor))], 1);
            case "yarn":
                return Yarn(plain, theta, dimensions, factor, config["transformers_version"] is null ? Key("original_max_position_embeddings", positions) : positions, Key("beta_fast", 32), Key("beta_slow", 1), Key("attention_factor", 1 + (0.1 * Math.Log(factor))));
            default:
                double original = config.Real("original_max_position_embeddings", 0), stretch = positions / original;
                JsonArray divisors = scaling![length > original ? "long_factor" : "short_factor"]!.AsArray();
                return new([.. plain.Select((frequency, j) => frequency / (float)divisors[j]!.GetValue<double>())], stretch <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(stretch) / Math.Log(original))));
        }
    }

    private static double Blend(double kept, double factor) => kept + ((1 - kept) / factor);

    private static PlainPositions Yarn(double[] plain, double theta, int dimensions, double factor, double original, double fast, double slow, double sharpening)
    {
        double At(double turns) => dimensions * Math.Log(original / (2 * Math.PI * turns)) / (2 * Math.Log(theta));
        double first = Math.Max(0, Math.Floor(At(fast))), last = Math.Min(dimensions - 1, Math.Ceiling(At(slow)));
        double Kept(int j) => 1 - Math.Clamp((j - first) / (first == last ? 0.001 : last - first), 0, 1);
        return new([.. plain.Select((frequency, j) => frequency * Blend(Kept(j), factor))], sharpening);
    }
}
