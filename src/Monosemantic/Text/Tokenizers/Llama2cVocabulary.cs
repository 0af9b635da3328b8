using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// llama2.c's <c>tokenizer.bin</c>: the pieces of a SentencePiece BPE model with a space for each <c>▁</c>, and their scores.
/// Little-endian: uint32 length of the longest piece; for each token a float32 score, an int32 length and that many bytes of
/// UTF-8. Ids 0 to 2 are unknown, beginning and end; 3 to 258 are the bytes. Encoding puts a space in front of a text that is
/// not empty. Source: llama2.c, run.c and tokenizer.py.
/// </summary>
internal static class Llama2cVocabulary
{
    private const int Unknown = 0, Bos = 1, Eos = 2, FirstByte = 3, FirstPiece = FirstByte + 256;
    private const int MaxPieceBytes = 1 << 16;

    // The export puts the marks on lines of their own.
    private static readonly ImmutableArray<(string Written, string Piece)> Marks = [("<unk>", "<unk>"), ("\n<s>\n", "<s>"), ("\n</s>\n", "</s>")];

    /// <summary>The format.</summary>
    public static TokenizerFormat Format { get; } = new(
        "llama2.c", ["tokenizer.bin", "tok*.bin"], source => Path.GetExtension(source.Path) == ".bin", source => Read(source.Bytes, source.Path));

    private static TokenizerParts Read(byte[] bytes, string source)
    {
        List<ScoredPiece> pieces = ReadPieces(bytes, source);
        CheckLayout(pieces, source);
        for (int id = 0; id < Marks.Length; id++) pieces[id] = pieces[id] with { Text = Marks[id].Piece };
        if (!pieces[FirstPiece..].Exists(piece => piece.Text == " ")) throw Bad(source, "it has no token for a space, which encoding puts in front of every text");
        var decoding = new PieceDecoding { ByteFallback = true };
        ImmutableArray<AddedToken> added = [new(Bos, Marks[Bos].Piece, Special: true, Normalized: false), new(Eos, Marks[Eos].Piece, Special: true, Normalized: false)];
        string?[] texts = [.. pieces.Select(piece => piece.Text)];
        return new TokenizerParts
        {
            Kind = "BPE with byte fallback (llama2.c)",
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)),
            Pieces = texts,
            AddedTokens = added,
            Normalizer = new PrependNormalizer(" "),
            Model = ScoredMerges.Model(pieces, [.. Enumerable.Range(FirstByte, 256)], new UnknownToken(Unknown, Fuse: false), id => id >= FirstPiece, looseCharacters: false),
            Decoder = new TokenDecoder(decoding.DecodeAll(texts, added)) { StripsSpace = true, Restarts = FrozenSet.Create(Bos, Eos) },
            Marks = new TokenMarks(Bos, Eos, Unknown),
        };
    }

    private static List<ScoredPiece> ReadPieces(byte[] bytes, string source)
    {
        if (bytes.Length < sizeof(int)) throw Bad(source, "it is truncated");
        uint longest = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (longest is 0 or > MaxPieceBytes) throw Bad(source, $"its longest piece has {longest:N0} bytes; it must have 1..{MaxPieceBytes:N0}");
        var pieces = new List<ScoredPiece>();
        for (ReadOnlySpan<byte> rest = bytes.AsSpan(sizeof(int)); !rest.IsEmpty;)
        {
            if (rest.Length < 8) throw Bad(source, $"it is truncated in token {pieces.Count}");
            float score = BinaryPrimitives.ReadSingleLittleEndian(rest);
            int length = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            if (length < 0 || length > longest) throw Bad(source, $"token {pieces.Count} has {length:N0} bytes; the longest has {longest}");
            if (rest.Length - 8 < length) throw Bad(source, $"it is truncated in token {pieces.Count}");
            if (float.IsNaN(score)) throw Bad(source, $"the score of token {pieces.Count} is not a number");
            ReadOnlySpan<byte> text = rest.Slice(8, length);
            if (!Utf8.IsValid(text)) throw Bad(source, $"token {pieces.Count} is not UTF-8");
            pieces.Add(new ScoredPiece(Encoding.UTF8.GetString(text), score));
            rest = rest[(8 + length)..];
        }
        return pieces;
    }

    private static void CheckLayout(List<ScoredPiece> pieces, string source)
    {
        if (pieces.Count <= FirstPiece) throw Bad(source, $"it has {pieces.Count} tokens; it must have the {FirstPiece} of the marks and bytes, and more");
        for (int id = 0; id < FirstPiece; id++)
        {
            string expected = id < FirstByte ? Marks[id].Written : PieceDecoding.ByteToken((byte)(id - FirstByte));
            bool right = pieces[id].Text == expected || (id < FirstByte && pieces[id].Text == Marks[id].Piece);
            if (!right) throw Bad(source, $"token {id} is \"{pieces[id].Text}\"; it must be {expected.Trim()}");
        }
    }

    private static UserErrorException Bad(string source, string what) =>
        new($"{source} is not a llama2.c tokenizer: {what}", "give the tokenizer.bin that belongs to the model, or take it from its publisher again");
}
