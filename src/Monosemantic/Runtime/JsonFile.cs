using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Monosemantic.Runtime;

/// <summary>
/// Strict JSON for configs and manifests: snake_case keys, enums by name, unknown and duplicate keys refused, missing
/// required keys refused, numbers never read from strings. What is written reads the same on every machine.
/// </summary>
public static class JsonFile
{
    private const long MaxBytes = 256L << 20;
    private const int MaxMessage = 1000;

    /// <summary>The options behind every artefact's JSON.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
        NewLine = "\n",
        MaxDepth = 64,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Reads one artefact or config.</summary>
    /// <typeparam name="T">The record that the file holds.</typeparam>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, too large, not JSON, or has unknown, duplicate or missing keys.</exception>
    public static T Read<T>(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists) throw new UserErrorException($"{path} does not exist", "check the path; an unfinished folder has no manifest yet");
        if (file.Length > MaxBytes) throw new UserErrorException($"{path} has {file.Length:N0} bytes; at most {MaxBytes:N0} are read as JSON", "this is not a config or manifest of this tool");
        // A pipe has no length; to open it would wait for someone to write into it.
        return Parse<T>(file.Length == 0 ? [] : File.ReadAllBytes(path), path);
    }

    /// <summary>Reads one artefact or config from bytes.</summary>
    /// <typeparam name="T">The record that the text holds.</typeparam>
    /// <param name="utf8">The JSON text.</param>
    /// <param name="source">The name to give in errors, usually the path.</param>
    public static T Parse<T>(ReadOnlySpan<byte> utf8, string source)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(utf8, Options)
                ?? throw new UserErrorException($"{source} holds null", "it must hold a JSON object");
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{source}: {Describe(failure)}", "correct the key it names, or make the file again", failure);
        }
    }

    /// <summary>The text that <see cref="Write{T}"/> puts in a file.</summary>
    /// <typeparam name="T">The record's type.</typeparam>
    /// <param name="value">The record.</param>
    public static string ToText<T>(T value) => JsonSerializer.Serialize(value, Options) + "\n";

    /// <summary>Writes one artefact or config, whole or not at all.</summary>
    /// <typeparam name="T">The record's type.</typeparam>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="value">The record.</param>
    public static void Write<T>(string path, T value) => AtomicFile.WriteText(path, ToText(value));

    private static string Describe(JsonException failure)
    {
        string message = failure.Message;
        int trailer = message.IndexOf(" Path: ", StringComparison.Ordinal);
        string what = trailer > 0 ? message[..trailer] : message;
        // The rest of that message is the name of a type of this program.
        if (what.StartsWith("The JSON value could not be converted to", StringComparison.Ordinal)) what = "the value is of another kind than it must be here";
        // The reader quotes what it read, whatever that is.
        what = Printable.UpTo(MaxMessage, what);
        string where = failure.Path is { Length: > 0 } path ? $" at {Printable.Of(path)}" : "";
        return failure.LineNumber is { } line ? $"{what}{where} (line {line + 1})" : what + where;
    }
}
