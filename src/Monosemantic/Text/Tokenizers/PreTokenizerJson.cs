using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Reads the <c>pre_tokenizer</c> of a <c>tokenizer.json</c>.</summary>
internal sealed class PreTokenizerJson(StepReader reader)
{
    private const string Known = "ByteLevel, Split, Digits, Punctuation, WhitespaceSplit, Metaspace and Sequence are read";

    // What the publishers' patterns are, so that they run without a regular expression.
    private static readonly ImmutableDictionary<string, WordScanner> Scanners = ImmutableDictionary.CreateRange(StringComparer.Ordinal, new KeyValuePair<string, WordScanner>[]
    {
        new(Gpt2PreTokenizer.Pattern, Gpt2PreTokenizer.NextLength),
        new(Llama3PreTokenizer.Pattern, Llama3PreTokenizer.NextLength),
        new(Llama3PreTokenizer.QwenPattern, Llama3PreTokenizer.NextQwenLength),
    });

    private readonly ImmutableArray<PreTokenizerStep>.Builder steps = ImmutableArray.CreateBuilder<PreTokenizerStep>();

    /// <summary>Whether the text becomes bytes.</summary>
    public bool ByteLevel { get; private set; }

    /// <summary>Whether every piece gets a mark in front.</summary>
    public bool MarksEveryPiece { get; private set; }

    /// <summary>Reads a pre-tokenizer.</summary>
    public PreTokenizer Read(JsonElement? step)
    {
        Add(step, "pre_tokenizer");
        return new PreTokenizer(steps.ToImmutable());
    }

    private void Add(JsonElement? step, string path)
    {
        string type = StepReader.TypeOf(step);
        if (type == "null") return;
        if (ByteLevel) reader.Add($"{path} is {type}, after ByteLevel, which must come last");
        switch (type)
        {
            case "ByteLevel": AddByteLevel(reader.Read<ByteLevelJson>(step!.Value, path)); break;
            case "Split": AddSplit(reader.Read<SplitJson>(step!.Value, path), path); break;
            case "Digits": AddDigits(reader.Read<DigitsJson>(step!.Value, path)); break;
            case "Punctuation": AddCut(reader.Read<PunctuationJson>(step!.Value, path).Behavior, path, Delimiters.IsPunctuation); break;
            case "WhitespaceSplit": AddCut(reader.Read<PlainStepJson>(step!.Value, path) is null ? "" : nameof(SplitBehaviour.Removed), path, Rune.IsWhiteSpace); break;
            case "Metaspace": AddMetaspace(reader.Read<MetaspaceJson>(step!.Value, path), path); break;
            case "Sequence": AddSequence(reader.Read<SequenceJson>(step!.Value, path), path); break;
            default: reader.Add($"{path} is {type}; {Known}"); break;
        }
    }

    private void AddSequence(SequenceJson sequence, string path)
    {
        for (int i = 0; i < sequence.Pretokenizers.Length; i++) Add(sequence.Pretokenizers[i], $"{path}.pretokenizers[{i}]");
    }

    private void AddByteLevel(ByteLevelJson step)
    {
        if (step.AddPrefixSpace) steps.Add(new PrefixSpaceStep());
        if (step.UseRegex) steps.Add(new ScanStep(Gpt2PreTokenizer.NextLength));
        ByteLevel = true;
    }

    private void AddSplit(SplitJson step, string path)
    {
        if (Behaviour(step.Behavior, path) is not { } behaviour) return;
        // Every character is in a match of these patterns, so that the matches are the pieces either way.
        bool pieces = (behaviour == SplitBehaviour.Isolated && !step.Invert) || (behaviour == SplitBehaviour.Removed && step.Invert);
        if (pieces && step.Pattern is { String: null, Regex: { } regex } && Scanners.TryGetValue(regex, out WordScanner? scanner)) steps.Add(new ScanStep(scanner));
        else if (reader.Pattern(step.Pattern, path) is { } pattern) steps.Add(new DelimiterStep(behaviour, pattern.Matches, step.Invert));
    }

    private void AddDigits(DigitsJson step) => steps.Add(new DelimiterStep(
        step.IndividualDigits ? SplitBehaviour.Isolated : SplitBehaviour.Contiguous, text => Delimiters.Where(text, Delimiters.IsNumeric)));

    private void AddCut(string behaviourName, string path, Func<Rune, bool> condition)
    {
        if (Behaviour(behaviourName, path) is { } behaviour) steps.Add(new DelimiterStep(behaviour, text => Delimiters.Where(text, condition)));
    }

    private void AddMetaspace(MetaspaceJson step, string path)
    {
        if (step.Replacement is not [var mark]) reader.Add($"{path}.replacement is \"{step.Replacement}\"; it must be one character");
        else steps.Add(new MetaspaceStep(mark, step.Scheme, step.Split));
        MarksEveryPiece |= step.Scheme == PrependScheme.Always;
    }

    private SplitBehaviour? Behaviour(string name, string path)
    {
        if (Enum.GetNames<SplitBehaviour>().Contains(name)) return Enum.Parse<SplitBehaviour>(name);
        reader.Add($"{path}.behavior is \"{name}\"; it must be one of {string.Join(", ", Enum.GetNames<SplitBehaviour>())}");
        return null;
    }

    private sealed record SplitJson
    {
        public required string Type { get; init; }
        public required PatternJson Pattern { get; init; }
        public required string Behavior { get; init; }
        public bool Invert { get; init; }
    }

    private sealed record DigitsJson
    {
        public required string Type { get; init; }
        public bool IndividualDigits { get; init; }
    }

    private sealed record PunctuationJson
    {
        public required string Type { get; init; }
        public string Behavior { get; init; } = nameof(SplitBehaviour.Isolated);
    }

    private sealed record SequenceJson
    {
        public required string Type { get; init; }
        public required ImmutableArray<JsonElement> Pretokenizers { get; init; }
    }
}
