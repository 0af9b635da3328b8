using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>SentencePiece <c>.model</c> files: byte pairs, as in Llama 2, Mistral and Gemma, and unigram.</summary>
internal static class SentencePieceFormat
{
    /// <summary>How a space is written.</summary>
    public const char Mark = '\u2581';

    /// <summary>The format.</summary>
    public static TokenizerFormat Format { get; } = new(
        "SentencePiece",
        ["tokenizer.model", "spiece.model", "sentencepiece.model", "sentencepiece.bpe.model"],
        source => Path.GetExtension(source.Path) == ".model",
        source => Read(source.Bytes, source.Path, CompanionFiles.Of(source, "tokenizer.model", "spiece.model")));

    /// <summary>Reads the bytes of a file.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="source">The name to give in errors, usually the path.</param>
    /// <param name="companions">What the files beside it say; null for nothing.</param>
    /// <exception cref="UserErrorException">The file is damaged, contradicts itself, or asks for something that is not done here.</exception>
    public static TokenizerParts Read(byte[] bytes, string source, CompanionFiles? companions = null)
    {
        SentencePieceFile file = SentencePieceFile.Parse(bytes, source);
        int[]? byteTokens = ByteTokens(file, source);
        int unknown = file.Types.IndexOf(PieceType.Unknown);
        if (unknown < 0 || file.Types.LastIndexOf(PieceType.Unknown) != unknown) throw Bad(source, "it must have one piece of the type unknown");
        string?[] pieces = [.. file.Pieces.Select(piece => piece.Text)];
        ImmutableArray<AddedToken> added = Added(file);
        TokenMarks marks = companions?.Marks(pieces) ?? new TokenMarks();
        return new TokenizerParts
        {
            Kind = $"SentencePiece {(file.BytePairs ? "BPE" : "unigram")}{(byteTokens is null ? "" : " with byte fallback")}",
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)),
            Pieces = pieces,
            AddedTokens = added,
            Normalizer = new SentencePieceNormalizer(file, CharacterReplacements.Read(file.Replacements.Span, source), [.. UserDefined(file).Select(entry => entry.Text)]),
            NormalizesAddedTokens = false,
            Model = file.BytePairs
                ? ScoredMerges.Model(file.Pieces, byteTokens, new UnknownToken(unknown, Fuse: true), id => file.Types[id] == PieceType.Normal, looseCharacters: true)
                : new UnigramModel(file, byteTokens, unknown),
            Decoder = new TokenDecoder(Decoded(file))
            {
                StripsSpace = file.AddsPrefix,
                Restarts = added.Where(token => token.Special).Select(token => token.Id).ToFrozenSet(),
            },
            Marks = new TokenMarks(
                marks.Bos ?? MarkOf(file, file.Marks.Bos), marks.Eos ?? MarkOf(file, file.Marks.Eos), unknown, marks.Padding ?? MarkOf(file, file.Marks.Padding)),
        };
    }

    // Marks are text unless asked for. User-defined pieces are cut out of normalized text; a unigram model finds them itself.
    private static ImmutableArray<AddedToken> Added(SentencePieceFile file)
    {
        var added = ImmutableArray.CreateBuilder<AddedToken>();
        for (int id = 0; id < file.Pieces.Length; id++)
        {
            if (file.Types[id] == PieceType.Control) added.Add(new AddedToken(id, file.Pieces[id].Text, Special: true, Normalized: false));
        }
        if (file.BytePairs) added.AddRange(UserDefined(file).Select(entry => new AddedToken(entry.Id, entry.Text, Special: false, Normalized: true)));
        return added.ToImmutable();
    }

    private static IEnumerable<(int Id, string Text)> UserDefined(SentencePieceFile file) =>
        file.Pieces.Select((piece, id) => (id, piece.Text)).Where(entry => file.Types[entry.id] == PieceType.UserDefined);

    private static byte[]?[] Decoded(SentencePieceFile file)
    {
        var text = new PieceDecoding { Replacements = file.EscapesSpaces ? [(Mark.ToString(), " ")] : [] };
        return [.. file.Pieces.Select((piece, id) => file.Types[id] == PieceType.Byte ? [PieceDecoding.ByteOf(piece.Text)!.Value] : text.Decode(piece.Text))];
    }

    private static int[]? ByteTokens(SentencePieceFile file, string source)
    {
        int[] tokens = [.. Enumerable.Repeat(-1, 256)];
        for (int id = 0; id < file.Pieces.Length; id++)
        {
            if (file.Types[id] != PieceType.Byte) continue;
            tokens[PieceDecoding.ByteOf(file.Pieces[id].Text) ?? throw Bad(source, $"piece {id} is of the type byte, but is \"{file.Pieces[id].Text}\"")] = id;
        }
        if (!file.ByteFallback) return null;
        return tokens.Contains(-1) ? throw Bad(source, $"byte_fallback is true, but the byte {PieceDecoding.ByteToken((byte)Array.IndexOf(tokens, -1))} has no piece") : tokens;
    }

    private static int? MarkOf(SentencePieceFile file, int id) => id >= 0 && id < file.Pieces.Length && file.Types[id] is PieceType.Control or PieceType.UserDefined ? id : null;

    private static UserErrorException Bad(string source, string what) => new($"{source}: {what}", "take the file from the model's publisher again");
}
