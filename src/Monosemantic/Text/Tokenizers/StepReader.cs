using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Reads the steps of a <c>tokenizer.json</c> and collects what is not done here.</summary>
/// <param name="source">The file, for errors.</param>
internal sealed class StepReader(string source)
{
    private readonly List<string> problems = [];

    /// <summary>The type that a step names itself; "null" where there is none.</summary>
    public static string TypeOf(JsonElement? step)
    {
        if (step is not { } element || element.ValueKind == JsonValueKind.Null) return "null";
        if (element.ValueKind != JsonValueKind.Object) return element.ValueKind.ToString().ToLowerInvariant();
        return element.TryGetProperty("type", out JsonElement type) ? type.ToString() : "untyped";
    }

    /// <summary>Reads one step's keys strictly.</summary>
    public static T Part<T>(JsonElement element, string name) => JsonFile.Parse<T>(JsonMarshal.GetRawUtf8Value(element), name);

    /// <summary>Reads one step's keys strictly.</summary>
    public T Read<T>(JsonElement step, string path) => Part<T>(step, $"{source}: {path}");

    /// <summary>Notes what is not done here.</summary>
    public void Add(string problem) => problems.Add(problem);

    /// <summary>Reads a pattern, or notes why it is not taken.</summary>
    public CodePointPattern? Pattern(PatternJson pattern, string path)
    {
        if (pattern is { String: { } text, Regex: null }) return CodePointPattern.Literal(text);
        if (pattern is not { String: null, Regex: { } regex })
        {
            Add($"{path}.pattern has not one of String and Regex");
            return null;
        }
        if (CodePointPattern.TryCreate(regex, out string? problem) is { } taken) return taken;
        Add($"{path}.pattern is \"{regex}\", in which this is not read: {problem}");
        return null;
    }

    /// <summary>Throws where there are problems.</summary>
    /// <param name="further">Problems found elsewhere.</param>
    public void Refuse(IEnumerable<string> further)
    {
        problems.AddRange(further);
        if (problems.Count == 0) return;
        throw new UserErrorException(
            $"{source}: {string.Join("; ", problems)}",
            "what is not read here would change the tokens; a guess would give other ones than the model was trained on");
    }
}

/// <summary>A step that has no keys but its type.</summary>
internal sealed record PlainStepJson
{
    public required string Type { get; init; }
}

/// <summary>A text or a regular expression.</summary>
internal sealed record PatternJson
{
    [JsonPropertyName("String")]
    public string? String { get; init; }

    [JsonPropertyName("Regex")]
    public string? Regex { get; init; }
}

/// <summary>A byte-level step: pre-tokenizer, post-processor or decoder. Only the pre-tokenizer's keys change the tokens.</summary>
internal sealed record ByteLevelJson
{
    public string Type { get; init; } = "ByteLevel";
    public bool AddPrefixSpace { get; init; } = true;
    public bool TrimOffsets { get; init; } = true;
    public bool UseRegex { get; init; } = true;
}

/// <summary>SentencePiece's mark for a space: pre-tokenizer or decoder. <c>add_prefix_space</c> is the older form of the scheme.</summary>
internal sealed record MetaspaceJson
{
    public required string Type { get; init; }
    public required string Replacement { get; init; }
    public PrependScheme PrependScheme { get; init; } = PrependScheme.Always;
    public bool Split { get; init; } = true;
    public bool? AddPrefixSpace { get; init; }
    public string? StrRep { get; init; }

    public PrependScheme Scheme => AddPrefixSpace == false ? PrependScheme.Never : PrependScheme;
}
