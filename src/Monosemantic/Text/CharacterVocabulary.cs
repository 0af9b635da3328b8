using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Monosemantic.Runtime;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Text;

/// <summary>
/// A vocabulary of characters (Unicode code points), each a token whose id is its place: <c>characters.json</c>, this tool's own
/// format, <c>{"type": "characters", "characters": ["\n", " ", "a"], "unknown": null}</c>.
/// </summary>
public sealed record CharacterVocabulary
{
    /// <summary>The name of the file in a model's folder.</summary>
    public const string FileName = "characters.json";

    private const string TypeName = "characters";

    /// <summary>What the file is; always <c>characters</c>.</summary>
    public string Type { get; init; } = TypeName;

    /// <summary>The characters; the place of each is its id.</summary>
    public required ImmutableArray<string> Characters { get; init; }

    /// <summary>
    /// The name of the token that stands for every other character, whose id is the one after the last character's; null where
    /// other characters are an error.
    /// </summary>
    public string? Unknown { get; init; }

    internal static TokenizerFormat Format { get; } = new(
        "characters", [FileName], source => source.Keys.Contains(TypeName), source => Parse(source.Bytes, source.Path).ToParts(source.Path));

    /// <summary>The vocabulary of a text: its characters, each once, ascending by code point.</summary>
    /// <param name="text">The text.</param>
    /// <param name="unknown">The name of the token for other characters; null for none.</param>
    public static CharacterVocabulary FromText(string text, string? unknown = null) => FromTexts([text], unknown);

    /// <summary>The vocabulary of several texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="unknown">The name of the token for other characters; null for none.</param>
    public static CharacterVocabulary FromTexts(IEnumerable<string> texts, string? unknown = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var seen = new HashSet<Rune>();
        foreach (string text in texts)
        {
            foreach (Rune character in text.EnumerateRunes()) seen.Add(character);
        }
        return new CharacterVocabulary { Characters = [.. seen.Order().Select(character => character.ToString())], Unknown = unknown };
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, or not such a file.</exception>
    public static CharacterVocabulary Load(string path) => Parse(TokenizerFormats.ReadBytes(path), path);

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    public void Save(string path) => JsonFile.Write(path, this);

    internal TokenizerParts ToParts(string source)
    {
        Check(source);
        VocabularyToken[] tokens = [.. Characters.Select((text, id) => new VocabularyToken(text, id))];
        ImmutableArray<AddedToken> unknown = Unknown is null ? [] : [new AddedToken(tokens.Length, Unknown, Special: true, Normalized: false)];
        var vocabulary = new Vocabulary(tokens, unknown, source);
        int unknownId = Unknown is null ? -1 : tokens.Length;
        return new TokenizerParts
        {
            Kind = "characters",
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this, JsonFile.Options))),
            Pieces = vocabulary.Pieces,
            AddedTokens = unknown,
            Model = new BytePairModel(new CharacterSymbols(BytePairModels.Characters(vocabulary.IdOf), null, new UnknownToken(unknownId, Fuse: false)), new MergeTable([])),
            Decoder = new TokenDecoder(new PieceDecoding().DecodeAll(vocabulary.Pieces, unknown)),
            Marks = new TokenMarks(Unknown: Unknown is null ? null : unknownId),
        };
    }

    private static CharacterVocabulary Parse(byte[] utf8, string source)
    {
        CharacterVocabulary file = JsonFile.Parse<CharacterVocabulary>(utf8.AsSpan(Utf8Lines.ByteOrderMark(utf8)), source);
        file.Check(source);
        return file;
    }

    private void Check(string source)
    {
        var problems = new List<string>();
        if (Type != TypeName) problems.Add($"type is \"{Type}\"; it must be \"{TypeName}\"");
        if (Characters.IsDefaultOrEmpty || Characters.Any(text => text is null)) problems.Add("characters is empty or holds null");
        else foreach (string text in Characters.Where(text => !Rune.TryGetRuneAt(text.PadRight(1, '\uD800'), 0, out Rune first) || first.Utf16SequenceLength != text.Length))
        {
            problems.Add($"characters has \"{text}\", which is not one character");
        }
        if (Unknown is { Length: 0 }) problems.Add("unknown is empty; it must be null or a name");
        if (problems.Count > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "make the file again from its text");
    }
}
