using System.Collections.Immutable;

namespace Monosemantic.Text;

/// <summary>What text that looks like a special token is.</summary>
public enum SpecialText
{
    /// <summary>Text like any other: a document that mentions <c>&lt;|endoftext|&gt;</c> must not end there.</summary>
    Text,

    /// <summary>That token.</summary>
    Token,
}

/// <summary>Which tokens an encoding puts around a text.</summary>
public enum AddedMarks
{
    /// <summary>None.</summary>
    None,

    /// <summary>The beginning-of-sequence token in front.</summary>
    Bos,

    /// <summary>What the tokenizer's own file says: its template post-processor.</summary>
    Template,
}

/// <summary>
/// What an encoding adds to a text and how it reads special tokens. Nothing of it is inferred from a tokenizer's file or its
/// ids: it is said by whoever encodes, and recorded with what is made of the ids.
/// </summary>
public sealed record EncodingPolicy
{
    /// <summary>The default: adds nothing, special tokens are text.</summary>
    public static EncodingPolicy Plain { get; } = new();

    /// <summary>Which tokens are put around a text.</summary>
    public AddedMarks Add { get; init; } = AddedMarks.None;

    /// <summary>What text that looks like a special token is.</summary>
    public SpecialText Special { get; init; } = SpecialText.Text;
}

/// <summary>How ids were made, to be recorded with them.</summary>
/// <param name="TokenizerSha256">SHA-256 of the tokenizer's file.</param>
/// <param name="Add">Which tokens were put around a text.</param>
/// <param name="Special">What text that looks like a special token became.</param>
/// <param name="Before">Ids that were put before the text.</param>
/// <param name="After">Ids that were put after it.</param>
public sealed record EncodingRecord(string TokenizerSha256, AddedMarks Add, SpecialText Special, ImmutableArray<int> Before, ImmutableArray<int> After);
