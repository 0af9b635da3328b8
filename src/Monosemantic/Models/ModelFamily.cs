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
    ];

    /// <summary>The family of a name.</summary>
    /// <param name="name">A <c>model_type</c>.</param>
    /// <param name="source">Where the name stands, for the error.</param>
    /// <exception cref="UserErrorException">No such family is known.</exception>
    public static ModelFamily Find(string? name, string source) => All.FirstOrDefault(family => family.Name == name)
        ?? throw new UserErrorException($"{source}: model_type '{name}' is not a known family; known are {string.Join(", ", All.Select(family => family.Name))}", Suggestion.Nearest(name ?? "", All.Select(family => family.Name)) is { } near ? $"did you mean {near}?" : "run `monosemantic list families` to see what each one covers");
}
