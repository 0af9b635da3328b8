using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// GPT-2's two files: a vocabulary (<c>vocab.json</c>, <c>encoder.json</c>: token to id) and its merges (<c>merges.txt</c>,
/// <c>vocab.bpe</c>: two tokens a line, after a line with the version). Byte-level. How text is cut the files do not say: GPT-2's
/// way, unless the <c>tokenizer_config.json</c> beside them names a class that does it in another that is known here.
/// </summary>
internal static class VocabularyAndMerges
{
    private static readonly ImmutableArray<(string Vocabulary, string Merges)> Pairs = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")];
    private static readonly ImmutableArray<string> Gpt2Classes = ["GPT2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizer", "GPTNeoXTokenizerFast"];
    private static readonly ImmutableArray<string> QwenClasses = ["Qwen2Tokenizer", "Qwen2TokenizerFast"];

    /// <summary>The format.</summary>
    public static TokenizerFormat Format { get; } = new(
        "vocabulary and merges", [.. Pairs.Select(pair => pair.Vocabulary)], source => IsMerges(source) || IsVocabulary(source), Read);

    private static bool IsMerges(TokenizerSource source) =>
        source.Bytes.AsSpan().StartsWith("#version"u8) || Pairs.Any(pair => Path.GetFileName(source.Path).EndsWith(pair.Merges, StringComparison.Ordinal));

    // A flat object of tokens: it holds at least the letters.
    private static bool IsVocabulary(TokenizerSource source) =>
        Pairs.Any(pair => Path.GetFileName(source.Path).EndsWith(pair.Vocabulary, StringComparison.Ordinal)) || (source.Keys.Contains("a") && source.Keys.Contains("e"));

    private static TokenizerParts Read(TokenizerSource source)
    {
        (TokenizerSource vocabulary, TokenizerSource merges) = IsMerges(source) ? (Beside(source, toMerges: false), source) : (source, Beside(source, toMerges: true));
        CompanionFiles? companions = CompanionFiles.Of(vocabulary, [.. Pairs.Select(pair => pair.Vocabulary)]);
        Dictionary<string, int> ids = JsonFile.Parse<Dictionary<string, int>>(vocabulary.Bytes.AsSpan(Utf8Lines.ByteOrderMark(vocabulary.Bytes)), vocabulary.Path);
        ImmutableArray<AddedToken> added = Added(ids, companions);
        var model = new BytePairJson { Vocab = ids, Merges = JsonSerializer.SerializeToElement(ReadMerges(merges).Select(rule => new[] { rule.Left, rule.Right })) };
        var tokens = new Vocabulary(model.Tokens(), added, vocabulary.Path);
        TokenMarks marks = companions?.Marks(tokens.Pieces) ?? new TokenMarks();
        int? endOfText = added.FirstOrDefault(token => token.Content == TokenizerFile.EndOfText)?.Id;
        (TextNormalizer? normalizer, PreTokenizer cutting) = Cutting(companions, vocabulary.Folder);
        return new TokenizerParts
        {
            Kind = $"byte-level BPE ({Path.GetFileName(vocabulary.Path)} and {Path.GetFileName(merges.Path)})",
            Sha256 = Convert.ToHexStringLower(SHA256.HashData([.. vocabulary.Bytes, .. merges.Bytes])),
            Pieces = tokens.Pieces,
            AddedTokens = added,
            Normalizer = normalizer,
            PreTokenizer = cutting,
            Model = BytePairModels.ByteLevel(model, tokens, merges.Path),
            Decoder = new TokenDecoder(new PieceDecoding { ByteAlphabet = true }.DecodeAll(tokens.Pieces, added)),
            Marks = marks with { Bos = marks.Bos ?? endOfText, Eos = marks.Eos ?? endOfText },
        };
    }

    // The other file of the two has the same name but for its ending, as in gpt2_encoder.json and gpt2_vocab.bpe.
    private static TokenizerSource Beside(TokenizerSource source, bool toMerges)
    {
        string name = Path.GetFileName(source.Path);
        foreach ((string vocabulary, string merges) in Pairs)
        {
            (string from, string to) = toMerges ? (vocabulary, merges) : (merges, vocabulary);
            string path = Path.Combine(source.Folder, name[..Math.Max(0, name.Length - from.Length)] + to);
            if (name.EndsWith(from, StringComparison.Ordinal) && File.Exists(path)) return new TokenizerSource(path, TokenizerFormats.ReadBytes(path));
        }
        string wanted = string.Join(" or ", Pairs.Select(pair => toMerges ? $"{pair.Merges} beside {pair.Vocabulary}" : $"{pair.Vocabulary} beside {pair.Merges}"));
        throw new UserErrorException($"{source.Path} is half of a tokenizer: the other file is not beside it", $"put {wanted} into one folder");
    }

    private static (TextNormalizer? Normalizer, PreTokenizer Cutting) Cutting(CompanionFiles? companions, string folder)
    {
        string name = companions?.TokenizerClass ?? Gpt2Classes[0];
        ImmutableArray<PreTokenizerStep> prefix = companions?.AddPrefixSpace == true ? [new PrefixSpaceStep()] : [];
        if (Gpt2Classes.Contains(name)) return (null, new PreTokenizer([.. prefix, new ScanStep(Gpt2PreTokenizer.NextLength)]));
        if (QwenClasses.Contains(name)) return (new UnicodeForm(compose: true, compatibility: false), new PreTokenizer([.. prefix, new ScanStep(Llama3PreTokenizer.NextQwenLength)]));
        throw new UserErrorException(
            $"{folder}: tokenizer_class is {name}; how it cuts text is not known from a vocabulary and merges",
            $"use its tokenizer.json; known are {string.Join(", ", Gpt2Classes.Concat(QwenClasses))}");
    }

    private static ImmutableArray<AddedToken> Added(Dictionary<string, int> ids, CompanionFiles? companions)
    {
        ImmutableArray<AddedToken> named = companions?.AddedTokens() ?? [];
        if (named.Any(token => token.Content == TokenizerFile.EndOfText) || !ids.TryGetValue(TokenizerFile.EndOfText, out int id)) return named;
        return named.Add(new AddedToken(id, TokenizerFile.EndOfText, Special: true, Normalized: false));
    }

    private static ImmutableArray<MergeRule> ReadMerges(TokenizerSource source)
    {
        Utf8Lines.Check(source.Bytes, source.Path, 0);
        var rules = ImmutableArray.CreateBuilder<MergeRule>();
        int number = 0;
        foreach (string line in Encoding.UTF8.GetString(source.Bytes).Split('\n'))
        {
            number++;
            string[] parts = line.TrimEnd('\r').Split(' ');
            if (parts is [""] || line.StartsWith("#version", StringComparison.Ordinal)) continue;
            if (parts is not [{ Length: > 0 }, { Length: > 0 }]) throw new UserErrorException($"{source.Path}, line {number} is \"{line.Trim()}\"; a merge is two tokens with a space between them", "take the file from the model's publisher again");
            rules.Add(new MergeRule(parts[0], parts[1]));
        }
        return rules.ToImmutable();
    }
}
