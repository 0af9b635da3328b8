namespace Monosemantic.Text;

/// <summary>A token that is matched as a whole in the text, before the byte-pair merges.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text, as it stands in a document (not in the byte alphabet).</param>
/// <param name="Special">Whether it is a mark such as the end of a text, and no part of ordinary text.</param>
/// <param name="Normalized">Whether it is looked for after the tokens that are not, in what they left, once that is normalized.</param>
public sealed record AddedToken(int Id, string Content, bool Special, bool Normalized)
{
    /// <summary>Whether it is found only where no word character stands beside it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it takes the white space before it.</summary>
    public bool Lstrip { get; init; }

    /// <summary>Whether it takes the white space after it.</summary>
    public bool Rstrip { get; init; }
}
