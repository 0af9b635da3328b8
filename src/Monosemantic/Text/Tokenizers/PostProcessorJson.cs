using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Reads the <c>post_processor</c> of a <c>tokenizer.json</c>: what it puts around a single text. Pairs are not made here.</summary>
internal sealed class PostProcessorJson(StepReader reader)
{
    /// <summary>Reads a post-processor; null where it adds nothing.</summary>
    public TokenTemplate? Read(JsonElement? step, string path = "post_processor")
    {
        string type = StepReader.TypeOf(step);
        switch (type)
        {
            case "null": return null;
            case "ByteLevel":
                reader.Read<ByteLevelJson>(step!.Value, path);
                return null;
            case "TemplateProcessing": return Template(reader.Read<TemplateJson>(step!.Value, path), path);
            case "Sequence": return Sequence(reader.Read<SequenceJson>(step!.Value, path), path);
            default:
                reader.Add($"{path} is {type}; ByteLevel, TemplateProcessing and Sequence are read");
                return null;
        }
    }

    private TokenTemplate? Sequence(SequenceJson sequence, string path)
    {
        TokenTemplate?[] templates = [.. sequence.Processors.Select((step, i) => Read(step, $"{path}.processors[{i}]")).Where(template => template is not null)];
        if (templates.Length > 1) reader.Add($"{path} has more than one TemplateProcessing");
        return templates.FirstOrDefault();
    }

    private TokenTemplate Template(TemplateJson template, string path)
    {
        var sides = new[] { ImmutableArray.CreateBuilder<int>(), ImmutableArray.CreateBuilder<int>() };
        int texts = 0;
        foreach (PartJson? part in template.Single)
        {
            if (part is { Sequence.Id: "A", SpecialToken: null }) texts++;
            else if (part is { Sequence: null, SpecialToken: { } token } && template.SpecialTokens.TryGetValue(token.Id, out SpecialTokenJson? special) && special is not null) sides[Math.Min(texts, 1)].AddRange(special.Ids);
            else reader.Add($"{path}.single has a part that is neither the sequence A nor one of special_tokens");
        }
        if (texts != 1) reader.Add($"{path}.single has the sequence A {texts} times; it must be there once");
        return new TokenTemplate(sides[0].ToImmutable(), sides[1].ToImmutable());
    }

    private sealed record SequenceJson
    {
        public required string Type { get; init; }
        public required ImmutableArray<JsonElement> Processors { get; init; }
    }

    private sealed record TemplateJson
    {
        public required string Type { get; init; }
        public required ImmutableArray<PartJson?> Single { get; init; }
        public JsonElement? Pair { get; init; }
        public required Dictionary<string, SpecialTokenJson?> SpecialTokens { get; init; }
    }

    private sealed record PartJson
    {
        [JsonPropertyName("SpecialToken")]
        public ReferenceJson? SpecialToken { get; init; }

        [JsonPropertyName("Sequence")]
        public ReferenceJson? Sequence { get; init; }
    }

    private sealed record ReferenceJson
    {
        public required string Id { get; init; }
        public int TypeId { get; init; }
    }

    private sealed record SpecialTokenJson
    {
        public required string Id { get; init; }
        public required ImmutableArray<int> Ids { get; init; }
        public JsonElement? Tokens { get; init; }
    }
}
