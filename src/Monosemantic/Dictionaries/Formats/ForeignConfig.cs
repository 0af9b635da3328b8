using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// Another tool's JSON config, from which keys are taken one by one; what is left in the end is an error that names it. A
/// key with the value null counts as absent.
/// </summary>
internal sealed class ForeignConfig
{
    private readonly HashSet<string> taken = new(StringComparer.Ordinal);
    private readonly string source, at;

    private ForeignConfig(string source, JsonElement root, string at)
    {
        if (root.ValueKind != JsonValueKind.Object) throw new UserErrorException($"{source}{(at.Length > 0 ? $": {at}" : "")} is no JSON object", "check that it is the right file");
        (this.source, Root, this.at) = (source, root, at);
    }

    /// <summary>The whole of it.</summary>
    internal JsonElement Root { get; }

    internal static ForeignConfig Read(string path)
    {
        JsonElement root = JsonFile.Read<JsonElement>(path);
        try
        {
            Touch(root);
        }
        catch (InvalidOperationException failure)
        {
            throw new UserErrorException($"{path} holds half of a surrogate pair in a text", "check that it is the right file", failure);
        }
        return new(path, root, "");
    }

    internal bool Has(string key) => Find(key) is not null;

    internal JsonElement? Raw(string key) => Find(key);

    internal ForeignConfig? Section(string key) => Find(key) is { } value ? new(source, value, Path(key)) : null;

    internal string? Text(string key) => Find(key) is not { } value ? null : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Bad(key, "it must be text");

    internal bool Flag(string key, bool otherwise) => Find(key) is not { } value ? otherwise : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Bad(key, "it must be true or false");

    internal bool? FlagOrNull(string key) => Has(key) ? Flag(key, false) : null;

    /// <summary>A whole number from 0 on, or null.</summary>
    internal int? Count(string key) => Find(key) is not { } value ? null : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number is >= 0 and <= int.MaxValue && number == Math.Floor(number) ? (int)number : throw Bad(key, "it must be a whole number from 0 on");

    internal int Required(string key) => Count(key) ?? throw new UserErrorException($"{source} has no {Path(key)}", "check that the file is whole");

    /// <summary>A size that is given as a multiple of another.</summary>
    internal int Times(string key, int size) => Number(key) is { } factor && factor * size is >= 1 and <= int.MaxValue and var product && product == Math.Floor(product) ? (int)product : throw Bad(key, $"times {size} must be a size");

    internal double? Number(string key) => Find(key) is not { } value ? null : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Bad(key, "it must be a number");

    /// <summary>Passes over keys that do not change what is computed.</summary>
    internal void Pass(params IEnumerable<string> keys) => taken.UnionWith(keys);

    /// <summary>Refuses what no one took.</summary>
    /// <exception cref="UserErrorException">A key is not known.</exception>
    internal void End(string format)
    {
        string[] left = [.. Root.EnumerateObject().Select(property => property.Name).Where(name => !taken.Contains(name))];
        if (left.Length > 0) throw new UserErrorException($"{source}: {string.Join(", ", left.Take(5).Select(name => Printable.Of(Path(name))))} {(left.Length == 1 ? "is" : "are")} not known to the reader of {format}: it could change what is computed", "if it does not, take it out of the file; else ask for support of it");
    }

    /// <summary>The refusal of a value.</summary>
    internal UserErrorException Bad(string key, string what) => new($"{source}: {Path(key)} is {Printable.Of(Root.TryGetProperty(key, out JsonElement value) ? value.GetRawText() : "absent")}; {what}", "this cannot be computed here as the other tool does");

    /// <summary>What is said in a file's own name for a key.</summary>
    internal string Path(string key) => at.Length > 0 ? $"{at}.{key}" : key;

    // Texts are decoded when they are asked for; better now than in the midst of reading.
    private static void Touch(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String) _ = value.GetString();
        else if (value.ValueKind == JsonValueKind.Array) foreach (JsonElement item in value.EnumerateArray()) Touch(item);
        else if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty property in value.EnumerateObject())
            {
                _ = property.Name;
                Touch(property.Value);
            }
        }
    }

    private JsonElement? Find(string key)
    {
        taken.Add(key);
        return Root.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }
}
