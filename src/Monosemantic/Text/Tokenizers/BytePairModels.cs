using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Makes the two kinds of byte-pair model: over bytes, and over characters.</summary>
internal static class BytePairModels
{
    /// <summary>A model over the bytes of a text.</summary>
    /// <exception cref="UserErrorException">The merges do not fit the vocabulary.</exception>
    public static BytePairModel ByteLevel(BytePairJson json, Vocabulary vocabulary, string source)
    {
        int[] bytes = vocabulary.ByteTokens(value => ByteAlphabet.ToCharacter(value).ToString());
        Dictionary<(int Left, int Right), BytePairRule> rules = vocabulary.Rules(json.ReadMerges(source), source);
        return new BytePairModel(new ByteSymbols(bytes, UnknownOf(json, vocabulary)), new MergeTable(rules))
        {
            Library = LibraryMerges.Of(vocabulary, rules),
            WholeWords = json.IgnoreMerges ? WholeWords(vocabulary, TextOf) : null,
        };
    }

    /// <summary>A model over the characters of a text, with byte tokens for those that have none where the file says so.</summary>
    /// <exception cref="UserErrorException">The merges do not fit the vocabulary, or it has some byte tokens and not all.</exception>
    public static BytePairModel OfCharacters(BytePairJson json, Vocabulary vocabulary, string source)
    {
        UnknownToken unknown = UnknownOf(json, vocabulary);
        int[]? bytes = json.ByteFallback ? FallbackOf(vocabulary, source) : null;
        var symbols = new CharacterSymbols(Characters(vocabulary.IdOf), bytes, unknown);
        Dictionary<(int Left, int Right), BytePairRule> rules = vocabulary.Rules(json.ReadMerges(source), source);
        return new BytePairModel(symbols, new MergeTable(rules))
        {
            WholeWords = json.IgnoreMerges ? WholeWords(vocabulary, piece => piece) : null,
            Cuts = json.IgnoreMerges ? null : CutsOf(rules, vocabulary.Pieces, symbols, [unknown.Token, .. bytes ?? []]),
        };
    }

    /// <summary>The pieces that are one character.</summary>
    public static IEnumerable<(Rune Character, int Symbol)> Characters(IReadOnlyDictionary<string, int> pieces)
    {
        foreach ((string piece, int id) in pieces)
        {
            if (Rune.TryGetRuneAt(piece, 0, out Rune first) && first.Utf16SequenceLength == piece.Length) yield return (first, id);
        }
    }

    /// <summary>Where texts may be cut; null where merges join tokens that do not stand for their own text.</summary>
    /// <param name="rules">The merges.</param>
    /// <param name="pieces">The pieces by id.</param>
    /// <param name="symbols">The characters.</param>
    /// <param name="notText">Tokens that stand for bytes or unknown characters.</param>
    public static SafeCuts? CutsOf(Dictionary<(int Left, int Right), BytePairRule> rules, string?[] pieces, CharacterSymbols symbols, HashSet<int> notText)
    {
        if (rules.Count == 0 || rules.Keys.Any(pair => notText.Contains(pair.Left) || notText.Contains(pair.Right))) return null;
        return new SafeCuts(rules.Values.Select(rule => pieces[rule.Merged]!), symbols);
    }

    private static UnknownToken UnknownOf(BytePairJson json, Vocabulary vocabulary) =>
        new(json.UnkToken is { } name && vocabulary.IdOf.TryGetValue(name, out int id) ? id : -1, json.FuseUnk);

    private static int[]? FallbackOf(Vocabulary vocabulary, string source)
    {
        int[] bytes = vocabulary.ByteTokens(PieceDecoding.ByteToken);
        int missing = bytes.Count(id => id < 0);
        if (missing is 0 or 256) return missing == 0 ? bytes : null;
        throw new UserErrorException($"{source}: model.byte_fallback is true, but the vocabulary lacks {missing} of the 256 byte tokens, the first one {PieceDecoding.ByteToken((byte)Array.IndexOf(bytes, -1))}", "take the file from the model's publisher again");
    }

    private static Dictionary<string, int> WholeWords(Vocabulary vocabulary, Func<string, string?> textOf)
    {
        var words = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((string piece, int id) in vocabulary.IdOf)
        {
            if (textOf(piece) is { } text) words[text] = id;
        }
        return words;
    }

    // Null where the piece is not whole characters, or not in the byte alphabet: no text becomes it.
    private static string? TextOf(string piece)
    {
        byte[] bytes = ByteAlphabet.Read(piece);
        return System.Text.Unicode.Utf8.IsValid(bytes) && ByteAlphabet.Write(bytes) == piece ? Encoding.UTF8.GetString(bytes) : null;
    }
}
