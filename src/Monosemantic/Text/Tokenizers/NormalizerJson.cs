using System.Collections.Immutable;
using System.Text.Json;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Reads the <c>normalizer</c> of a <c>tokenizer.json</c>.</summary>
internal sealed class NormalizerJson(StepReader reader)
{
    private const string Known = "NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace and Sequence are read";

    /// <summary>Whether something is put in front of every piece of text.</summary>
    public bool Prepends { get; private set; }

    /// <summary>Reads a normalizer; null where there is none or it is not done here.</summary>
    public TextNormalizer? Read(JsonElement? step, string path)
    {
        string type = StepReader.TypeOf(step);
        return type switch
        {
            "null" => null,
            "NFC" or "NFD" or "NFKC" or "NFKD" => Form(reader.Read<PlainStepJson>(step!.Value, path).Type),
            "Lowercase" => reader.Read<PlainStepJson>(step!.Value, path) is null ? null : new LowercaseNormalizer(),
            "Strip" => Strip(reader.Read<StripJson>(step!.Value, path)),
            "Prepend" => Prepend(reader.Read<PrependJson>(step!.Value, path)),
            "Replace" => Replace(reader.Read<ReplaceJson>(step!.Value, path), path),
            "Sequence" => Sequence(reader.Read<SequenceJson>(step!.Value, path), path),
            _ => Unknown(type, path),
        };
    }

    private static UnicodeForm Form(string type) => new(compose: type[^1] == 'C', compatibility: type.Length == 4);

    private static StripNormalizer Strip(StripJson step) => new(step.StripLeft, step.StripRight);

    private PrependNormalizer Prepend(PrependJson step)
    {
        Prepends = true;
        return new PrependNormalizer(step.Prepend);
    }

    private TextNormalizer? Replace(ReplaceJson step, string path)
    {
        if (step is { Pattern: { String: [var from], Regex: null }, Content: [var to] } && !char.IsSurrogate(from) && !char.IsSurrogate(to)) return new ReplaceCharacterNormalizer(from, to);
        return reader.Pattern(step.Pattern, path) is { } pattern ? new ReplaceNormalizer(pattern, step.Content) : null;
    }

    private NormalizerSequence Sequence(SequenceJson step, string path) =>
        new([.. step.Normalizers.Select((one, i) => Read(one, $"{path}.normalizers[{i}]")).OfType<TextNormalizer>()]);

    private TextNormalizer? Unknown(string type, string path)
    {
        reader.Add($"{path} is {type}; {Known}");
        return null;
    }

    private sealed record StripJson
    {
        public required string Type { get; init; }
        public required bool StripLeft { get; init; }
        public required bool StripRight { get; init; }
    }

    private sealed record PrependJson
    {
        public required string Type { get; init; }
        public required string Prepend { get; init; }
    }

    private sealed record ReplaceJson
    {
        public required string Type { get; init; }
        public required PatternJson Pattern { get; init; }
        public required string Content { get; init; }
    }

    private sealed record SequenceJson
    {
        public required string Type { get; init; }
        public required ImmutableArray<JsonElement> Normalizers { get; init; }
    }
}
