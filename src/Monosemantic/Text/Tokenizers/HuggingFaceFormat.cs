using System.Collections.Immutable;
using System.Security.Cryptography;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Hugging Face's <c>tokenizer.json</c> with a byte-pair model: byte-level as in GPT-2, GPT-NeoX, Llama 3 and Qwen, or over
/// characters with byte fallback as in Llama 2 and Gemma. What is not done here is refused by name.
/// </summary>
internal static class HuggingFaceFormat
{
    // A vocabulary may hold these words too, and thousands of others.
    private const int MostKeys = 32;

    /// <summary>The format.</summary>
    public static TokenizerFormat Format { get; } = new(
        "Hugging Face",
        [TokenizerFile.FileName],
        source => (source.Keys.Length < MostKeys && (source.Keys.Contains("model") || source.Keys.Contains("added_tokens"))) || Path.GetFileName(source.Path) == TokenizerFile.FileName,
        source => Read(source.Bytes, source.Path, CompanionFiles.Of(source, TokenizerFile.FileName)));

    /// <summary>Reads the bytes of a file.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="source">The name to give in errors, usually the path.</param>
    /// <param name="companions">What the files beside it say; null for nothing.</param>
    /// <exception cref="UserErrorException">The file is damaged, contradicts itself, or asks for something that is not done here.</exception>
    public static TokenizerParts Read(byte[] utf8, string source, CompanionFiles? companions = null)
    {
        var json = TokenizerJson.Parse(utf8, source);
        var steps = new TokenizerSteps(json, source);
        BytePairJson model = json.BytePairs(source);
        steps.Refuse(model.Problems());
        ImmutableArray<AddedToken> added = [.. json.AddedTokens.Select(token => token.ToToken()).OrderBy(token => token.Id)];
        var vocabulary = new Vocabulary(model.Tokens(), added, source);
        PieceDecoding decoding = steps.Decoding with { ByteFallback = steps.Decoding.ByteFallback || model.ByteFallback };
        TokenTemplate? template = TemplateOf(steps.Template, vocabulary.Pieces.Length, source);
        return new TokenizerParts
        {
            Kind = $"{(steps.ByteLevel ? "byte-level" : model.ByteFallback ? "character-level, with byte fallback," : "character-level")} BPE ({TokenizerFile.FileName})",
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(utf8)),
            Pieces = vocabulary.Pieces,
            AddedTokens = added,
            Normalizer = steps.Normalizer,
            PreTokenizer = steps.PreTokenizer,
            Model = steps.ByteLevel ? BytePairModels.ByteLevel(model, vocabulary, source) : BytePairModels.OfCharacters(model, vocabulary, source),
            Decoder = new TokenDecoder(decoding.DecodeAll(vocabulary.Pieces, added))
            {
                StripsSpace = steps.Decoding.StripsSpace,
                Restarts = steps.Restarts(added),
                Separator = steps.Decoding.Separator,
            },
            Template = template,
            Marks = Marks(companions, template, steps.ByteLevel, added, vocabulary, model),
        };
    }

    private static TokenTemplate? TemplateOf(TokenTemplate? template, int count, string source)
    {
        if (template is null) return null;
        int[] unknown = [.. template.Before.Concat(template.After).Where(id => id < 0 || id >= count)];
        return unknown.Length == 0
            ? template
            : throw new UserErrorException($"{source}: post_processor names the token id {unknown[0]}; ids are 0..{count - 1}", "take the file from the model's publisher again");
    }

    // The file itself names no marks; its template puts the beginning in front, and GPT-2 has one mark for everything.
    private static TokenMarks Marks(
        CompanionFiles? companions, TokenTemplate? template, bool byteLevel, ImmutableArray<AddedToken> added, Vocabulary vocabulary, BytePairJson model)
    {
        int? endOfText = byteLevel ? added.FirstOrDefault(token => token.Content == TokenizerFile.EndOfText)?.Id : null;
        var named = companions?.Marks(vocabulary.Pieces) ?? new TokenMarks();
        return named with
        {
            Bos = named.Bos ?? (template is { Before: [int first] } ? first : endOfText),
            Eos = named.Eos ?? (template is { After: [int last] } ? last : endOfText),
            Unknown = named.Unknown ?? (model.UnkToken is { } name && vocabulary.IdOf.TryGetValue(name, out int unknown) ? unknown : null),
        };
    }
}
