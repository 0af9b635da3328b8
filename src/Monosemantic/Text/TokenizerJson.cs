using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>
/// The shape of a <c>tokenizer.json</c> as it stands on disk, and the refusal of everything in it that would change the tokens
/// and is not done here. Truncation and padding are read over: they shape batches, and no text is ever cut or padded here.
/// </summary>
internal sealed record TokenizerJson
{
    private const string ByteLevel = "ByteLevel";

    public required string Version { get; init; }
    public JsonElement? Truncation { get; init; }
    public JsonElement? Padding { get; init; }
    public required ImmutableArray<AddedTokenJson> AddedTokens { get; init; }
    public JsonElement? Normalizer { get; init; }
    public required JsonElement? PreTokenizer { get; init; }
    public JsonElement? PostProcessor { get; init; }
    public required JsonElement? Decoder { get; init; }
    public required JsonElement Model { get; init; }

    public static TokenizerFile Read(ReadOnlySpan<byte> utf8, string source)
    {
        TokenizerJson file = JsonFile.Parse<TokenizerJson>(utf8, source);
        Refuse(file.Problems(source), source);
        BytePairJson model = Part<BytePairJson>(file.Model, $"{source}: model");
        Refuse(model.Problems(), source);
        return new TokenizerFile
        {
            Vocabulary = [.. model.Vocab.Select(entry => new VocabularyToken(entry.Key, entry.Value)).OrderBy(token => token.Id)],
            Merges = ReadMerges(model.Merges, source),
            AddedTokens = [.. file.AddedTokens.Select(token => token.ToToken()).OrderBy(token => token.Id)],
        };
    }

    public static TokenizerJson From(TokenizerFile file) => new()
    {
        Version = "1.0",
        AddedTokens = [.. file.AddedTokens.Select(AddedTokenJson.From)],
        PreTokenizer = ToElement(new ByteLevelJson { AddPrefixSpace = false, TrimOffsets = true, UseRegex = true }),
        PostProcessor = ToElement(new ByteLevelJson { AddPrefixSpace = true, TrimOffsets = false, UseRegex = true }),
        Decoder = ToElement(new ByteLevelJson { AddPrefixSpace = true, TrimOffsets = true, UseRegex = true }),
        Model = ToElement(new BytePairJson
        {
            Vocab = file.Vocabulary.ToDictionary(token => token.Text, token => token.Id, StringComparer.Ordinal),
            Merges = ToElement(file.Merges.Select(merge => $"{merge.Left} {merge.Right}")),
        }),
    };

    internal static void Refuse(IReadOnlyCollection<string> problems, string source)
    {
        if (problems.Count == 0) return;
        throw new UserErrorException(
            $"{source}: {string.Join("; ", problems)}",
            "only byte-level BPE as in GPT-2's tokenizer.json is read so far; a guess would give other tokens than the model was trained on");
    }

    private List<string> Problems(string source)
    {
        var problems = new List<string>();
        if (Version != "1.0") problems.Add($"version is \"{Version}\"; it must be \"1.0\"");
        if (Normalizer is { } normalizer) problems.Add($"normalizer is {TypeOf(normalizer)}; it must be null");
        CheckByteLevel(problems, "pre_tokenizer", PreTokenizer, "");
        CheckByteLevel(problems, "decoder", Decoder, "");
        if (PostProcessor is not null) CheckByteLevel(problems, "post_processor", PostProcessor, " or null");
        if (TypeOf(Model) is not ("BPE" or "untyped")) problems.Add($"model.type is {TypeOf(Model)}; it must be BPE");
        if (TypeOf(PreTokenizer) == ByteLevel) CheckPreTokenizer(problems, Part<ByteLevelJson>(PreTokenizer!.Value, $"{source}: pre_tokenizer"));
        foreach (AddedTokenJson token in AddedTokens.Where(token => token.SingleWord || token.Lstrip || token.Rstrip))
        {
            problems.Add($"added_tokens: \"{token.Content}\" has single_word, lstrip or rstrip set; they must be false");
        }
        return problems;
    }

    private static void CheckByteLevel(List<string> problems, string field, JsonElement? step, string orElse)
    {
        if (TypeOf(step) != ByteLevel) problems.Add($"{field} is {TypeOf(step)}; it must be {ByteLevel}{orElse}");
    }

    private static void CheckPreTokenizer(List<string> problems, ByteLevelJson step)
    {
        if (step.AddPrefixSpace) problems.Add("pre_tokenizer.add_prefix_space is true; it must be false");
        if (!step.UseRegex) problems.Add("pre_tokenizer.use_regex is false; it must be true");
    }

    private static ImmutableArray<MergeRule> ReadMerges(JsonElement merges, string source)
    {
        if (merges.ValueKind != JsonValueKind.Array) throw BadMerge(source, "model.merges is not a list");
        var rules = ImmutableArray.CreateBuilder<MergeRule>(merges.GetArrayLength());
        foreach (JsonElement merge in merges.EnumerateArray())
        {
            rules.Add(ReadMerge(merge) ?? throw BadMerge(source, $"model.merges[{rules.Count}] is {merge.GetRawText()}"));
        }
        return rules.ToImmutable();
    }

    private static MergeRule? ReadMerge(JsonElement merge)
    {
        string[] parts = merge.ValueKind switch
        {
            JsonValueKind.String => merge.GetString()!.Split(' '),
            JsonValueKind.Array => [.. merge.EnumerateArray().Select(part => part.ValueKind == JsonValueKind.String ? part.GetString()! : "")],
            _ => [],
        };
        // No token of the byte alphabet holds a space, and the written form could not tell it from the separator.
        return parts is [{ Length: > 0 }, { Length: > 0 }] && !parts.Any(part => part.Contains(' ')) ? new MergeRule(parts[0], parts[1]) : null;
    }

    private static UserErrorException BadMerge(string source, string what) =>
        new($"{source}: {what}; a merge is \"left right\" or [\"left\", \"right\"]", "take the file from the model's publisher again");

    private static string TypeOf(JsonElement? step)
    {
        if (step is not { } element || element.ValueKind == JsonValueKind.Null) return "null";
        if (element.ValueKind != JsonValueKind.Object) return element.ValueKind.ToString().ToLowerInvariant();
        return element.TryGetProperty("type", out JsonElement type) ? type.ToString() : "untyped";
    }

    private static T Part<T>(JsonElement element, string source) => JsonFile.Parse<T>(JsonMarshal.GetRawUtf8Value(element), source);

    private static JsonElement ToElement<T>(T value) => JsonSerializer.SerializeToElement(value, JsonFile.Options);
}

/// <summary>An entry of <c>added_tokens</c>.</summary>
internal sealed record AddedTokenJson
{
    public required int Id { get; init; }
    public required string Content { get; init; }
    public bool SingleWord { get; init; }
    public bool Lstrip { get; init; }
    public bool Rstrip { get; init; }
    public bool Normalized { get; init; }
    public bool Special { get; init; }

    public AddedToken ToToken() => new(Id, Content, Special, Normalized);

    public static AddedTokenJson From(AddedToken token) =>
        new() { Id = token.Id, Content = token.Content, Normalized = token.Normalized, Special = token.Special };
}

/// <summary>A byte-level step: pre-tokenizer, post-processor or decoder. Only the pre-tokenizer's keys change the tokens.</summary>
internal sealed record ByteLevelJson
{
    public string Type { get; init; } = "ByteLevel";
    public required bool AddPrefixSpace { get; init; }
    public bool TrimOffsets { get; init; } = true;
    public bool UseRegex { get; init; } = true;
}

/// <summary>
/// A byte-pair model. What is for characters without a token (<c>unk_token</c>, <c>fuse_unk</c>, <c>byte_fallback</c>) never
/// comes into play, since all 256 bytes must have one.
/// </summary>
internal sealed record BytePairJson
{
    public string Type { get; init; } = "BPE";
    public double? Dropout { get; init; }
    public string? UnkToken { get; init; }
    public string? ContinuingSubwordPrefix { get; init; }
    public string? EndOfWordSuffix { get; init; }
    public bool FuseUnk { get; init; }
    public bool ByteFallback { get; init; }
    public bool IgnoreMerges { get; init; }
    public required Dictionary<string, int> Vocab { get; init; }
    public required JsonElement Merges { get; init; }

    public List<string> Problems()
    {
        var problems = new List<string>();
        if (Dropout is not (null or 0)) problems.Add($"model.dropout is {Dropout}; it must be null");
        if (ContinuingSubwordPrefix is { Length: > 0 }) problems.Add($"model.continuing_subword_prefix is \"{ContinuingSubwordPrefix}\"; it must be empty");
        if (EndOfWordSuffix is { Length: > 0 }) problems.Add($"model.end_of_word_suffix is \"{EndOfWordSuffix}\"; it must be empty");
        if (IgnoreMerges) problems.Add("model.ignore_merges is true; it must be false");
        return problems;
    }
}
