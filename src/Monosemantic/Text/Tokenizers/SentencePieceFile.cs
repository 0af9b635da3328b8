using System.Collections.Immutable;
using System.Text;
using System.Text.Unicode;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>What a piece of a SentencePiece model is.</summary>
internal enum PieceType
{
    /// <summary>Found in text.</summary>
    Normal = 1,

    /// <summary>Stands for what has no piece.</summary>
    Unknown = 2,

    /// <summary>A mark, never found in text.</summary>
    Control = 3,

    /// <summary>Found in text before all others, and never cut.</summary>
    UserDefined = 4,

    /// <summary>Not used.</summary>
    Unused = 5,

    /// <summary>A byte of a character without a piece.</summary>
    Byte = 6,
}

/// <summary>A SentencePiece <c>.model</c> as it stands on disk. Source: google/sentencepiece, sentencepiece_model.proto.</summary>
internal sealed record SentencePieceFile
{
    private const int ModelTypeUnigram = 1, ModelTypeBytePair = 2;

    /// <summary>The pieces by id.</summary>
    public required ImmutableArray<ScoredPiece> Pieces { get; init; }

    /// <summary>What each piece is.</summary>
    public required ImmutableArray<PieceType> Types { get; init; }

    /// <summary>Whether the model is of byte pairs; else unigram.</summary>
    public required bool BytePairs { get; init; }

    /// <summary>Whether characters without a piece become bytes.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>The ids of the marks; -1 where there is none.</summary>
    public (int Unknown, int Bos, int Eos, int Padding) Marks { get; init; } = (0, 1, 2, -1);

    /// <summary>The character replacements, as the file packs them; empty for none.</summary>
    public ReadOnlyMemory<byte> Replacements { get; init; }

    /// <summary>Whether a space is put in front of a text.</summary>
    public bool AddsPrefix { get; init; } = true;

    /// <summary>Whether spaces at the ends, and all but one of a run, are taken away.</summary>
    public bool RemovesSpaces { get; init; } = true;

    /// <summary>Whether spaces are written as <c>▁</c>.</summary>
    public bool EscapesSpaces { get; init; } = true;

    /// <summary>Reads a file.</summary>
    /// <exception cref="UserErrorException">It is damaged, or asks for something that is not done here.</exception>
    public static SentencePieceFile Parse(byte[] bytes, string source)
    {
        var pieces = ImmutableArray.CreateBuilder<ScoredPiece>();
        var types = ImmutableArray.CreateBuilder<PieceType>();
        var file = new SentencePieceFile { Pieces = [], Types = [], BytePairs = false };
        var problems = new List<string>();
        List<ProtobufField> fields = ProtobufFields.Read(bytes, source);
        if (!fields.Exists(field => field.Number == 2) || !fields.Exists(field => field.Number == 3)) problems.Add("it is truncated: trainer_spec or normalizer_spec is missing");
        foreach (ProtobufField field in fields)
        {
            switch (field.Number)
            {
                case 1: AddPiece(field.Content, pieces, types, problems, source); break;
                case 2: file = WithTraining(file, field.Content, problems, source); break;
                case 3: file = WithNormalizer(file, field.Content, problems, source); break;
                case 4: break; // test samples of the model's maker
                case 5: CheckDenormalizer(field.Content, problems, source); break;
                default: problems.Add($"the field {field.Number} is not known"); break;
            }
        }
        if (pieces.Count == 0) problems.Add("it has no pieces");
        if (problems.Count > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems.Distinct().Take(10))}", "only BPE and unigram SentencePiece models are read; take the file from the model's publisher again");
        return file with { Pieces = pieces.ToImmutable(), Types = types.ToImmutable() };
    }

    private static void AddPiece(
        ReadOnlyMemory<byte> message, ImmutableArray<ScoredPiece>.Builder pieces, ImmutableArray<PieceType>.Builder types, List<string> problems, string source)
    {
        (string text, float score, PieceType type) = ("", 0, PieceType.Normal);
        foreach (ProtobufField field in ProtobufFields.Read(message, source))
        {
            switch (field.Number)
            {
                case 1 when !Utf8.IsValid(field.Content.Span): problems.Add($"piece {pieces.Count} is not UTF-8"); break;
                case 1: text = Encoding.UTF8.GetString(field.Content.Span); break;
                case 2: score = field.Single; break;
                case 3: type = (PieceType)field.Int32; break;
                default: problems.Add($"the field {field.Number} of a piece is not known"); break;
            }
        }
        if (!Enum.IsDefined(type)) problems.Add($"piece {pieces.Count} is of the unknown type {(int)type}");
        if (text.Length == 0) problems.Add($"piece {pieces.Count} is empty");
        if (float.IsNaN(score)) problems.Add($"the score of piece {pieces.Count} is not a number");
        pieces.Add(new ScoredPiece(text, score));
        types.Add(type);
    }

    // The other fields tell how the model was trained.
    private static SentencePieceFile WithTraining(SentencePieceFile file, ReadOnlyMemory<byte> message, List<string> problems, string source)
    {
        int type = ModelTypeUnigram;
        foreach (ProtobufField field in ProtobufFields.Read(message, source))
        {
            switch (field.Number)
            {
                case 3: type = field.Int32; break;
                case 24 when field.Boolean: problems.Add("treat_whitespace_as_suffix is true; it must be false"); break;
                case 35: file = file with { ByteFallback = field.Boolean }; break;
                case 40: file = file with { Marks = file.Marks with { Unknown = field.Int32 } }; break;
                case 41: file = file with { Marks = file.Marks with { Bos = field.Int32 } }; break;
                case 42: file = file with { Marks = file.Marks with { Eos = field.Int32 } }; break;
                case 43: file = file with { Marks = file.Marks with { Padding = field.Int32 } }; break;
            }
        }
        if (type is not (ModelTypeUnigram or ModelTypeBytePair)) problems.Add($"model_type is {(type == 3 ? "word" : type == 4 ? "char" : type)}; it must be unigram or bpe");
        return file with { BytePairs = type == ModelTypeBytePair };
    }

    private static SentencePieceFile WithNormalizer(SentencePieceFile file, ReadOnlyMemory<byte> message, List<string> problems, string source)
    {
        foreach (ProtobufField field in ProtobufFields.Read(message, source))
        {
            switch (field.Number)
            {
                case 1 or 6: break; // the name and the source text of the replacements
                case 2: file = file with { Replacements = field.Content }; break;
                case 3: file = file with { AddsPrefix = field.Boolean }; break;
                case 4: file = file with { RemovesSpaces = field.Boolean }; break;
                case 5: file = file with { EscapesSpaces = field.Boolean }; break;
                default: problems.Add($"the field {field.Number} of normalizer_spec is not known"); break;
            }
        }
        return file;
    }

    private static void CheckDenormalizer(ReadOnlyMemory<byte> message, List<string> problems, string source)
    {
        if (ProtobufFields.Read(message, source).Exists(field => field.Number == 2 && !field.Content.IsEmpty)) problems.Add("denormalizer_spec has replacements; it must have none");
    }
}
