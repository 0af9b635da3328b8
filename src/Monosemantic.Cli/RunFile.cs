using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>Run files: a JSON object of settings, any key of which <c>--set key=value</c> overrides.</summary>
internal static class RunFile
{
    /// <summary>Reads settings: the defaults, then the file if one is given, then the overrides in order.</summary>
    internal static T Read<T>(string? path, IEnumerable<string> overrides)
        where T : new()
    {
        JsonObject settings = ReadObject(path);
        string source = Apply(settings, overrides) ? path is null ? "--set" : $"{path} with --set" : path ?? "the settings";
        return Parse<T>(settings, source);
    }

    /// <summary>A run file's object; empty where there is no file.</summary>
    internal static JsonObject ReadObject(string? path) => path is null
        ? new JsonObject()
        : Parse(File.Exists(path) ? File.ReadAllText(path) : throw new UserErrorException($"the run file {path} does not exist", "leave it out to use the defaults, or check the path"), path);

    /// <summary>Settings from an object, after its preset, if it names one, has filled in what it leaves out.</summary>
    internal static T Parse<T>(JsonObject settings, string source) =>
        JsonFile.Parse<T>(JsonSerializer.SerializeToUtf8Bytes(typeof(T) == typeof(SaeTrainingConfig) ? SaePresets.Expand(settings) : settings, JsonFile.Options), source);

    /// <summary>Settings with some keys overridden.</summary>
    internal static T Override<T>(T settings, IEnumerable<string> overrides)
    {
        JsonObject keys = JsonSerializer.SerializeToNode(settings, JsonFile.Options)!.AsObject();
        Apply(keys, overrides);
        return JsonFile.Parse<T>(JsonSerializer.SerializeToUtf8Bytes(keys, JsonFile.Options), "--set");
    }

    /// <summary>The <c>--set</c> options that make these settings from the defaults, quoted for a shell.</summary>
    internal static IEnumerable<string> Options<T>(T settings)
        where T : new()
    {
        JsonObject defaults = JsonSerializer.SerializeToNode(new T(), JsonFile.Options)!.AsObject(), keys = JsonSerializer.SerializeToNode(settings, JsonFile.Options)!.AsObject();
        foreach ((string key, JsonNode? value) in keys)
        {
            if (JsonNode.DeepEquals(value, defaults[key])) continue;
            string text = value?.ToJsonString() ?? "null";
            yield return text.All(char.IsAsciiLetterOrDigit) ? $"--set {key}={text}" : $"--set '{key}={text.Replace("'", "'\\''")}'";
        }
    }

    private static JsonObject Parse(string text, string path)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject ?? throw new UserErrorException($"{path} holds no JSON object", "a run file looks like {\"k\": 32}");
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{path} is not JSON: {failure.Message}", "correct the line it names", failure);
        }
    }

    /// <summary>Applies overrides in order; says whether there was one.</summary>
    internal static bool Apply(JsonObject settings, IEnumerable<string> overrides)
    {
        bool any = false;
        foreach (string text in overrides)
        {
            int equals = text.IndexOf('=');
            if (equals <= 0) throw new UserErrorException($"--set {text} is not of the form key=value", "write for example --set steps=1000");
            Set(settings, text[..equals], Value(text[(equals + 1)..]));
            any = true;
        }
        return any;
    }

    private static void Set(JsonObject settings, string key, JsonNode? value)
    {
        string[] path = key.Split('.');
        JsonObject at = settings;
        foreach (string part in path[..^1])
        {
            if (at[part] is not JsonObject inner) at[part] = inner = new JsonObject();
            at = inner;
        }
        at[path[^1]] = value;
    }

    // Numbers, true, false, null, arrays and objects are JSON; anything else is text, so that quotes are not needed.
    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
