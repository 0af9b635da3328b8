using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Runtime;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Text;

/// <summary>
/// The shape of a <c>tokenizer.json</c> as it stands on disk. Truncation and padding are read over: they shape batches, and no
/// text is ever cut or padded here.
/// </summary>
internal sealed record TokenizerJson
{
    public string Version { get; init; } = "1.0";
    public JsonElement? Truncation { get; init; }
    public JsonElement? Padding { get; init; }
    public ImmutableArray<AddedTokenJson> AddedTokens { get; init; } = [];
    public JsonElement? Normalizer { get; init; }
    public JsonElement? PreTokenizer { get; init; }
    public JsonElement? PostProcessor { get; init; }
    public JsonElement? Decoder { get; init; }
    public required JsonElement Model { get; init; }

    public static TokenizerJson Parse(ReadOnlySpan<byte> utf8, string source)
    {
        Utf8Lines.Check(utf8, source, 0);
        var json = JsonFile.Parse<TokenizerJson>(utf8[Utf8Lines.ByteOrderMark(utf8)..], source);
        // The parser checks a record's members for null, not a list's.
        if (!json.AddedTokens.IsDefault && !json.AddedTokens.Any(token => token is null)) return json;
        throw new UserErrorException($"{source}: added_tokens is null or holds null", "take the file from the model's publisher again");
    }

    public static TokenizerJson From(TokenizerFile file) => new()
    {
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

    /// <summary>The model, which must be of byte pairs.</summary>
    public BytePairJson BytePairs(string source)
    {
        if (StepReader.TypeOf(Model) is not ("BPE" or "untyped"))
        {
            throw new UserErrorException($"{source}: model.type is {StepReader.TypeOf(Model)}; it must be BPE", "a SentencePiece .model file is read with a Unigram model too, if there is one beside it");
        }
        return StepReader.Part<BytePairJson>(Model, $"{source}: model");
    }

    /// <summary>The file in GPT-2's own layout.</summary>
    /// <exception cref="UserErrorException">It has another layout.</exception>
    public TokenizerFile ToFile(string source)
    {
        var steps = new TokenizerSteps(this, source);
        BytePairJson model = BytePairs(source);
        steps.Refuse([.. model.Problems(), .. OtherThanGpt2(steps, model)]);
        return new TokenizerFile
        {
            Vocabulary = [.. model.Tokens().OrderBy(token => token.Id)],
            Merges = model.ReadMerges(source),
            AddedTokens = [.. AddedTokens.Select(token => token.ToToken()).OrderBy(token => token.Id)],
        };
    }

    private IEnumerable<string> OtherThanGpt2(TokenizerSteps steps, BytePairJson model)
    {
        if (steps.Normalizer is not null) yield return "normalizer is not null, as in GPT-2's layout";
        if (!steps.ByteLevel || steps.PreTokenizer.Scanner != new WordScanner(Gpt2PreTokenizer.NextLength)) yield return "pre_tokenizer is not GPT-2's";
        if (steps.Template is not null) yield return "post_processor is not ByteLevel or null, as in GPT-2's layout";
        if (model.IgnoreMerges) yield return "model.ignore_merges is true; it must be false in GPT-2's layout";
        foreach (AddedTokenJson token in AddedTokens.Where(token => token.SingleWord || token.Lstrip || token.Rstrip))
        {
            yield return $"added_tokens: \"{token.Content}\" has single_word, lstrip or rstrip set; they are false in GPT-2's layout";
        }
    }

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

    public AddedToken ToToken() => new(Id, Content, Special, Normalized) { SingleWord = SingleWord, Lstrip = Lstrip, Rstrip = Rstrip };

    public static AddedTokenJson From(AddedToken token) => new()
    {
        Id = token.Id,
        Content = token.Content,
        SingleWord = token.SingleWord,
        Lstrip = token.Lstrip,
        Rstrip = token.Rstrip,
        Normalized = token.Normalized,
        Special = token.Special,
    };
}

/// <summary>A byte-pair model.</summary>
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
        return problems;
    }

    public List<VocabularyToken> Tokens() => [.. Vocab.Select(entry => new VocabularyToken(entry.Key, entry.Value))];

    public ImmutableArray<MergeRule> ReadMerges(string source)
    {
        if (Merges.ValueKind != JsonValueKind.Array) throw BadMerge(source, "model.merges is not a list");
        var rules = ImmutableArray.CreateBuilder<MergeRule>(Merges.GetArrayLength());
        foreach (JsonElement merge in Merges.EnumerateArray())
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
        return parts is [{ Length: > 0 }, { Length: > 0 }] ? new MergeRule(parts[0], parts[1]) : null;
    }

    private static UserErrorException BadMerge(string source, string what) =>
        new($"{source}: {what}; a merge is \"left right\" or [\"left\", \"right\"]", "take the file from the model's publisher again");
}
