using System.Collections.Immutable;

namespace Monosemantic.Text.Tokenizers;

/// <summary>The ids of the tokens that are marks; null where there is none. An id of 0 is an id like any other.</summary>
/// <param name="Bos">Begins a sequence.</param>
/// <param name="Eos">Ends a sequence.</param>
/// <param name="Unknown">Stands for what has no token.</param>
/// <param name="Padding">Fills batches.</param>
internal sealed record TokenMarks(int? Bos = null, int? Eos = null, int? Unknown = null, int? Padding = null);

/// <summary>What a file's post-processor puts around a single text.</summary>
/// <param name="Before">Ids before it.</param>
/// <param name="After">Ids after it.</param>
internal sealed record TokenTemplate(ImmutableArray<int> Before, ImmutableArray<int> After);

/// <summary>What a format's reader makes of a file: everything that a tokenizer does.</summary>
internal sealed record TokenizerParts
{
    /// <summary>Which kind of tokenizer it is, in words.</summary>
    public required string Kind { get; init; }

    /// <summary>SHA-256 of the file, or of the files one after the other; lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Each token as the file writes it, by id; null where no token has that id.</summary>
    public required string?[] Pieces { get; init; }

    /// <summary>Tokens that are matched as a whole.</summary>
    public ImmutableArray<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Changes text before it is cut; null for nothing.</summary>
    public TextNormalizer? Normalizer { get; init; }

    /// <summary>Whether added tokens that are looked for in normalized text are normalized themselves; else they are found as they are written.</summary>
    public bool NormalizesAddedTokens { get; init; } = true;

    /// <summary>Cuts text into pre-tokens.</summary>
    public PreTokenizer PreTokenizer { get; init; } = new([]);

    /// <summary>Turns pre-tokens into tokens.</summary>
    public required TokenModel Model { get; init; }

    /// <summary>Turns tokens into bytes.</summary>
    public required TokenDecoder Decoder { get; init; }

    /// <summary>What the file's post-processor adds; null for nothing.</summary>
    public TokenTemplate? Template { get; init; }

    /// <summary>The marks.</summary>
    public TokenMarks Marks { get; init; } = new();
}
