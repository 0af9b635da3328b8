using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// What the files beside a tokenizer say about its marks: <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>, and the
/// ids in <c>config.json</c> and <c>generation_config.json</c>. The earlier file counts. They are other programs' files, of which
/// only these keys are read.
/// </summary>
internal sealed class CompanionFiles
{
    private const string Config = "tokenizer_config.json";
    private static readonly ImmutableArray<string> NameFiles = [Config, "special_tokens_map.json"];
    private static readonly ImmutableArray<string> IdFiles = ["config.json", "generation_config.json"];

    private readonly Dictionary<string, JsonElement> files = [];
    private readonly string folder;

    private CompanionFiles(string folder)
    {
        this.folder = folder;
        foreach (string name in NameFiles.Concat(IdFiles))
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path)) files[name] = Parse(path);
        }
    }

    /// <summary>
    /// The files beside a tokenizer; null where it does not have the name that it has in a model's folder, so that what is
    /// beside it may belong to something else.
    /// </summary>
    public static CompanionFiles? Of(TokenizerSource source, params ReadOnlySpan<string> names) =>
        names.Contains(Path.GetFileName(source.Path)) ? new CompanionFiles(source.Folder) : null;

    /// <summary>The class that the tokenizer is of in Hugging Face's transformers; null where nobody says.</summary>
    public string? TokenizerClass => Property(Config, "tokenizer_class") is { ValueKind: JsonValueKind.String } name ? name.GetString() : null;

    /// <summary>Whether encoding puts a space in front of a text.</summary>
    public bool AddPrefixSpace => Property(Config, "add_prefix_space") is { ValueKind: JsonValueKind.True };

    /// <summary>The tokens of <c>added_tokens_decoder</c>.</summary>
    /// <exception cref="UserErrorException">An entry is not one.</exception>
    public ImmutableArray<AddedToken> AddedTokens()
    {
        if (Property(Config, "added_tokens_decoder") is not { ValueKind: JsonValueKind.Object } tokens) return [];
        var added = ImmutableArray.CreateBuilder<AddedToken>();
        foreach (JsonProperty entry in tokens.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, out int id)) throw Bad(Config, $"added_tokens_decoder has the id \"{entry.Name}\", which is no number");
            AddedTokenValue token = StepReader.Part<AddedTokenValue>(entry.Value, $"{Path.Combine(folder, Config)}: added_tokens_decoder[{id}]");
            added.Add(token.ToToken(id));
        }
        return added.ToImmutable();
    }

    /// <summary>The marks.</summary>
    /// <param name="pieces">The tokens by id.</param>
    /// <exception cref="UserErrorException">A mark's name is no token.</exception>
    public TokenMarks Marks(string?[] pieces) => new(Find("bos", pieces), Find("eos", pieces), Find("unk", pieces), Find("pad", pieces));

    private int? Find(string mark, string?[] pieces)
    {
        foreach (string file in NameFiles)
        {
            if (NameIn(file, $"{mark}_token") is not { } name) continue;
            int id = Array.IndexOf(pieces, name);
            return id >= 0 ? id : throw Bad(file, $"{mark}_token is \"{name}\", which is no token of the tokenizer beside it");
        }
        foreach (string file in IdFiles)
        {
            // Small models keep a large one's defaults, whose ids they do not have.
            if (IdIn(file, $"{mark}_token_id") is { } id && id >= 0 && id < pieces.Length && pieces[id] is not null) return id;
        }
        return null;
    }

    private string? NameIn(string file, string key)
    {
        JsonElement? value = Property(file, key);
        if (value is { ValueKind: JsonValueKind.Object } token && token.TryGetProperty("content", out JsonElement content)) value = content;
        return value is { ValueKind: JsonValueKind.String } name ? name.GetString() : null;
    }

    // A list holds every token that ends a text; the first one is the mark.
    private int? IdIn(string file, string key)
    {
        JsonElement? value = Property(file, key);
        if (value is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0) value = list[0];
        return value is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int id) ? id : null;
    }

    private JsonElement? Property(string file, string key) =>
        files.TryGetValue(file, out JsonElement json) && json.TryGetProperty(key, out JsonElement value) ? value : null;

    private static JsonElement Parse(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(TokenizerFormats.ReadBytes(path));
            if (json.RootElement.ValueKind == JsonValueKind.Object) return json.RootElement.Clone();
            throw new UserErrorException($"{path} does not hold a JSON object", "take the file from the model's publisher again, or take it away");
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{path}: not JSON (line {failure.LineNumber + 1})", "take the file from the model's publisher again, or take it away", failure);
        }
    }

    private UserErrorException Bad(string file, string what) => new($"{Path.Combine(folder, file)}: {what}", "correct the key it names");

    private sealed record AddedTokenValue
    {
        public required string Content { get; init; }
        public bool SingleWord { get; init; }
        public bool Lstrip { get; init; }
        public bool Rstrip { get; init; }
        public bool Normalized { get; init; }
        public bool Special { get; init; }

        public AddedToken ToToken(int id) => new(id, Content, Special, Normalized) { SingleWord = SingleWord, Lstrip = Lstrip, Rstrip = Rstrip };
    }
}
