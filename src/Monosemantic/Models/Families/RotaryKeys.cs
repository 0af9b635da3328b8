using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;

namespace Monosemantic.Models.Families;

/// <summary>
/// The config keys of rotary positions: <c>rope_theta</c> and <c>rope_scaling</c>, or the newer <c>rope_parameters</c>
/// that holds both. Reference: transformers, modeling_rope_utils.
/// </summary>
internal static partial class RotaryKeys
{
    // Tokens: more than memory holds, and far from where positions are no longer exact in float32.
    private const int Endless = 1 << 20;
    private const string Known = "default, linear, dynamic, llama3, yarn, longrope";

    /// <summary>What a family does without any key.</summary>
    /// <param name="DHead">Width of a head.</param>
    /// <param name="Positions">The config's <c>max_position_embeddings</c>.</param>
    /// <param name="Theta">Base.</param>
    /// <param name="Fraction">Share of a head's dimensions that turns.</param>
    /// <param name="MayBePartial">Whether the config may say that only a part of a head turns.</param>
    internal sealed record Defaults(int DHead, int Positions, double Theta, double Fraction = 1, bool MayBePartial = false);

    /// <summary>Reads the keys, with <c>rope_parameters</c> one section for all blocks.</summary>
    internal static RotaryConfig Read(ConfigReader config, Defaults defaults)
    {
        double theta = config.Positive("rope_theta", defaults.Theta), fraction = config.Positive("partial_rotary_factor", defaults.Fraction);
        ConfigReader? scaling = config.Section("rope_scaling"), parameters = config.Section("rope_parameters");
        if (scaling is not null && parameters is not null) throw config.Refusal("rope_scaling", "absent where rope_parameters is there", "keep the one that belongs to the model");
        return Of(config, scaling ?? parameters, defaults with { Theta = theta, Fraction = fraction });
    }

    /// <summary>Rotary positions from a section.</summary>
    /// <param name="config">The whole config.</param>
    /// <param name="section">The section, or null for none.</param>
    /// <param name="defaults">What holds where the section is silent.</param>
    internal static RotaryConfig Of(ConfigReader config, ConfigReader? section, Defaults defaults)
    {
        double theta = section?.Positive("rope_theta", defaults.Theta) ?? defaults.Theta;
        double fraction = section?.Positive("partial_rotary_factor", defaults.Fraction) ?? defaults.Fraction;
        int dimensions = (int)(defaults.DHead * fraction);
        if (fraction > 1 || (fraction < 1 && !defaults.MayBePartial)) throw (section ?? config).Refusal("partial_rotary_factor", defaults.MayBePartial ? "above 0 and at most 1" : "1 in this family");
        if (dimensions < 2 || dimensions % 2 != 0)
        {
            throw new UserErrorException($"{config.Path}: {dimensions} of {defaults.DHead} dimensions of a head would turn; it must be an even number", "copy the model's own config.json");
        }
        var rotary = new RotaryConfig { Dimensions = dimensions, Theta = theta };
        if (section is null) return rotary;
        rotary = rotary with { Scaling = Scaling(config, section, defaults.Positions, dimensions) };
        section.Finish([]);
        return rotary;
    }

    /// <summary>
    /// Longest context: scaling by a factor stretches what the config calls the positions; a base that grows with the context
    /// has no end of its own.
    /// </summary>
    internal static int MaxPositions(int positions, RotaryConfig rotary) => rotary.Scaling switch
    {
        LinearScaling linear => Stretched(positions, linear.Factor * positions),
        DynamicScaling dynamic => Stretched(positions, Math.Max(Endless, dynamic.Factor * positions)),
        YarnScaling yarn => Stretched(positions, yarn.Factor * yarn.OriginalPositions),
        _ => positions,
    };

    private static int Stretched(int positions, double scaled) => (int)Math.Clamp(Math.Floor(scaled), positions, int.MaxValue);

    private static RotaryScaling? Scaling(ConfigReader config, ConfigReader section, int positions, int dimensions)
    {
        string type = Type(section);
        double Factor() => section.OptionalPositive("factor") ?? throw new UserErrorException($"{section.Path} lacks factor", "copy the model's own config.json");
        switch (type)
        {
            case "default":
                return null;
            case "linear":
                return new LinearScaling(Factor());
            case "dynamic":
                // The reference scales beyond max_position_embeddings and reads the original positions without using them.
                _ = section.OptionalCount("original_max_position_embeddings");
                if (dimensions < 4) throw section.Refusal("rope_type", "another one where only 2 dimensions of a head turn");
                return new DynamicScaling(Factor(), positions);
            case "llama3":
                return Llama3(section, Factor());
            case "yarn":
                return Yarn(section, Factor(), positions, IgnoresOriginal(config));
            case "longrope" or "su":
                return Long(config, section, positions, dimensions);
            default:
                string hint = Suggestion.Nearest(type, Known.Split(", ")) is { } near ? $"did you mean {near}?" : "the model's positions are scaled in a way that is not built here";
                throw section.Refusal(section.Has("rope_type") ? "rope_type" : "type", $"one of {Known}", hint);
        }
    }

    // "type" is the older spelling; files that were written while the two changed places have both.
    private static string Type(ConfigReader section)
    {
        string? older = section.Text("type"), newer = section.Text("rope_type");
        if (older is not null && newer is not null && older != newer) throw section.Refusal("type", $"the same as rope_type, {newer}", "keep the one that belongs to the model");
        return newer ?? older ?? "default";
    }

    private static Llama3Scaling Llama3(ConfigReader section, double factor)
    {
        double Needed(string key) => section.OptionalPositive(key) ?? throw new UserErrorException($"{section.Path} lacks {key}", "copy the model's own config.json");
        var scaling = new Llama3Scaling(factor, Needed("low_freq_factor"), Needed("high_freq_factor"), section.Count("original_max_position_embeddings"));
        return scaling.HighFrequency > scaling.LowFrequency ? scaling : throw section.Refusal("high_freq_factor", "above low_freq_factor", "copy the model's own config.json");
    }

    // Releases that knew YaRN before they knew the key of its original context; what they saved computes what it computed there.
    private static bool IgnoresOriginal(ConfigReader config) => config.Text("transformers_version") is { } version && Early().IsMatch(version);

    private static YarnScaling Yarn(ConfigReader section, double factor, int positions, bool ignoresOriginal) => new(
        factor,
        section.OptionalCount("original_max_position_embeddings") is { } original && !ignoresOriginal ? original : positions,
        section.Positive("beta_fast", 32),
        section.Positive("beta_slow", 1),
        section.OptionalPositive("attention_factor") ?? (factor > 1 ? (0.1 * Math.Log(factor)) + 1 : 1),
        section.Flag("truncate", true));

    private static LongScaling Long(ConfigReader config, ConfigReader section, int positions, int dimensions)
    {
        int original = config.OptionalCount("original_max_position_embeddings") ?? section.OptionalCount("original_max_position_embeddings") ?? positions;
        double? given = section.OptionalPositive("factor");
        double factor = original != positions || given is null ? (double)positions / original : given.Value;
        double sharpening = section.OptionalPositive("attention_factor") ?? (factor > 1 ? Math.Sqrt(1 + (Math.Log(factor) / Math.Log(original))) : 1);
        return new(Divisors(section, "short_factor", dimensions), Divisors(section, "long_factor", dimensions), original, sharpening);
    }

    private static ImmutableArray<float> Divisors(ConfigReader section, string key, int dimensions)
    {
        ImmutableArray<float> divisors = [.. (section.Numbers(key) ?? []).Select(number => (float)number)];
        if (divisors.Length == dimensions / 2 && divisors.All(divisor => divisor > 0)) return divisors;
        throw new UserErrorException($"{key} has {divisors.Length} numbers in {section.Path}; it must have {dimensions / 2}, all above 0: one for each pair of dimensions that turns", "copy the model's own config.json");
    }

    [GeneratedRegex(@"^4\.4[5-7]\.")]
    private static partial Regex Early();
}
