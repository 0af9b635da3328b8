using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>
/// A foreign <c>config.json</c>, read key by key. Every key must be asked for or listed as ignorable: one that nobody
/// understands is refused by name, because it may change what the model computes.
/// </summary>
public sealed class ConfigReader
{
    // Far above any model's sizes, and far below where products of a few of them overflow.
    private const int MaxCount = 1 << 28;

    private readonly Dictionary<string, JsonElement> values;
    private readonly HashSet<string> used = [];

    /// <summary>Reads the file.</summary>
    /// <param name="path">A <c>config.json</c>.</param>
    public ConfigReader(string path) : this(path, JsonFile.Read<Dictionary<string, JsonElement>>(path))
    {
    }

    private ConfigReader(string path, Dictionary<string, JsonElement> values)
    {
        Path = path;
        this.values = values;
    }

    /// <summary>The file, and the section of it where this is one.</summary>
    public string Path { get; }

    /// <summary>Whether a key is there, even if its value is null.</summary>
    /// <param name="key">The key.</param>
    public bool Has(string key) => values.ContainsKey(key);

    /// <summary>Gives a key a value where it is absent.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    internal void Assume(string key, int value) => values.TryAdd(key, JsonSerializer.SerializeToElement(value));

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
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number is > 0 and <= MaxCount && number == Math.Floor(number)
            ? (int)number
            : throw Wrong(key, value, $"a positive whole number, at most {MaxCount}");
    }

    /// <summary>A number.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">Its value where the key is absent or null.</param>
    public double Number(string key, double absent) => OptionalNumber(key) ?? absent;

    /// <summary>A number, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public double? OptionalNumber(string key)
    {
        if (Value(key) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble()) ? value.GetDouble() : throw Wrong(key, value, "a number");
    }

    /// <summary>A number above zero, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public double? OptionalPositive(string key) => OptionalNumber(key) is not { } number || number > 0
        ? OptionalNumber(key)
        : throw Wrong(key, values[key], "a number above 0");

    /// <summary>A number above zero.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">Its value where the key is absent or null.</param>
    public double Positive(string key, double absent) => OptionalPositive(key) ?? absent;

    /// <summary>True or false.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">Its value where the key is absent.</param>
    public bool Flag(string key, bool absent)
    {
        if (Value(key) is not { } value) return absent;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false");
    }

    /// <summary>A list of texts, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public IReadOnlyList<string>? Texts(string key)
    {
        if (Value(key) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String)) throw Wrong(key, value, "a list of strings");
        return [.. value.EnumerateArray().Select(item => item.GetString()!)];
    }

    /// <summary>A list of numbers, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public IReadOnlyList<double>? Numbers(string key)
    {
        if (Value(key) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.Number)) throw Wrong(key, value, "a list of numbers");
        return [.. value.EnumerateArray().Select(item => item.GetDouble())];
    }

    /// <summary>A value of a shape of its own, or null where the key is absent or null.</summary>
    /// <param name="key">The key.</param>
    public JsonElement? Element(string key) => Value(key);

    /// <summary>A section with keys of its own, or null where the key is absent or null; it has to be finished too.</summary>
    /// <param name="key">The key.</param>
    public ConfigReader? Section(string key)
    {
        if (Value(key) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(key, value, "an object");
        return new($"{Path}: {key}", value.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value));
    }

    /// <summary>Refuses a value that other settings allow but that cannot be computed here.</summary>
    /// <param name="key">The key.</param>
    /// <param name="wanted">What it must be, as in "it must be false".</param>
    /// <param name="hint">What to do.</param>
    public UserErrorException Refusal(string key, string wanted, string hint = "the model computes something that is not built here") =>
        new($"{key} is {(values.TryGetValue(key, out JsonElement value) ? value.GetRawText() : "absent")} in {Path}; it must be {wanted}", hint);

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
