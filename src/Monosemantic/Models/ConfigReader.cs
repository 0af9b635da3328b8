using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>
/// A foreign <c>config.json</c>, read key by key. Every key must be asked for or listed as ignorable: one that nobody
/// understands is refused by name, because it may change what the model computes.
/// </summary>
public sealed class ConfigReader
{
    private readonly Dictionary<string, JsonElement> values;
    private readonly HashSet<string> used = [];

    /// <summary>Reads the file.</summary>
    /// <param name="path">A <c>config.json</c>.</param>
    public ConfigReader(string path)
    {
        Path = path;
        values = JsonFile.Read<Dictionary<string, JsonElement>>(path);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>A text, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public string? Text(string key) => Value(key) is { } value
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, value, "a string")
        : null;

    /// <summary>A whole number that must be there and be positive.</summary>
    /// <param name="key">The key.</param>
    public int Count(string key) => OptionalCount(key) ?? throw new UserErrorException($"{Path} lacks {key}", "copy the model's own config.json");

    /// <summary>A positive whole number, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public int? OptionalCount(string key)
    {
        if (Value(key) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count > 0 ? count : throw Wrong(key, value, "a positive whole number");
    }

    /// <summary>A number.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">Its value where the key is absent.</param>
    public double Number(string key, double absent)
    {
        if (Value(key) is not { } value) return absent;
        return value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(key, value, "a number");
    }

    /// <summary>True or false.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">Its value where the key is absent.</param>
    public bool Flag(string key, bool absent)
    {
        if (Value(key) is not { } value) return absent;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false");
    }

    /// <summary>Refuses the keys that nobody asked for.</summary>
    /// <param name="ignorable">Keys that do not change what the model computes at inference.</param>
    public void Finish(IEnumerable<string> ignorable)
    {
        string[] unknown = [.. values.Keys.Except(used).Except(ignorable).Order(StringComparer.Ordinal)];
        if (unknown.Length == 0) return;
        throw new UserErrorException(
            $"{Path} has {(unknown.Length == 1 ? "a key" : "keys")} that this family does not know: {string.Join(", ", unknown)}",
            "the model may compute something else than this family does; remove the key only if you know that it changes nothing");
    }

    private JsonElement? Value(string key)
    {
        used.Add(key);
        return values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private UserErrorException Wrong(string key, JsonElement value, string wanted) =>
        new($"{key} is {value.GetRawText()} in {Path}; it must be {wanted}", "copy the model's own config.json");
}
