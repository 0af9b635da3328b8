using Monosemantic.Models.Families;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>How one family of models is read: its config keys and the names and layout of its weights.</summary>
/// <param name="Name">The <c>model_type</c> of its <c>config.json</c>.</param>
/// <param name="Summary">One line for <c>list families</c>.</param>
/// <param name="ReadConfig">Reads the shape from the config, asking for every key that matters.</param>
/// <param name="ReadWeights">Takes every weight.</param>
public sealed record ModelFamily(string Name, string Summary, Func<ConfigReader, TransformerConfig> ReadConfig, Func<TransformerConfig, WeightReader, TransformerWeights> ReadWeights)
{
    /// <summary>Every family, one line each.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } =
    [
        Gpt2.Family,
        GptNeo.Family,
        GptNeoX.Family,
        Llama.Family,
        Mistral.Family,
        Gemma.Family,
        Gemma2.Family,
        Gemma3.Family,
        Qwen2.Family,
        Qwen3.Family,
        Phi3.Family,
    ];

    /// <summary>Other spellings of <c>model_type</c> that mean this family.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Whether numbers of the reference library are among the tests; otherwise only those of a second implementation are.</summary>
    public bool CheckedAgainstReference { get; init; } = true;

    /// <summary>What <c>list families</c> prints: every family, and the files that are read without a config.</summary>
    public static IEnumerable<(string Name, string Summary)> Listing =>
    [
        .. All.Select(family => (family.Name, family.CheckedAgainstReference ? family.Summary : $"{family.Summary}; not yet checked against the reference")),
        ("llama2.c", "model files of llama2.c, given by their path: legacy, version 1 (float32) and version 2 (int8)"),
    ];

    /// <summary>The family of a name.</summary>
    /// <param name="name">A <c>model_type</c>.</param>
    /// <param name="source">Where the name stands, for the error.</param>
    /// <exception cref="UserErrorException">No such family is known.</exception>
    public static ModelFamily Find(string? name, string source)
    {
        if (All.FirstOrDefault(family => family.Name == name || family.Aliases.Contains(name)) is { } found) return found;
        IEnumerable<string> known = All.SelectMany(family => family.Aliases.Prepend(family.Name));
        string what = name is null ? "model_type is missing" : $"model_type '{name}' is not a known family";
        throw new UserErrorException(
            $"{source}: {what}; known are {string.Join(", ", known)}",
            Suggestion.Nearest(name ?? "", known) is { } near ? $"did you mean {near}?" : "run `monosemantic list families` to see what each one covers");
    }
}
