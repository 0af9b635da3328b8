namespace Monosemantic.Text;

/// <summary>
/// One sequence that a model reads at once, with where each token comes from. The three arrays have the same length;
/// contexts are never padded, so every entry is a real token or one inserted by the stated policy.
/// </summary>
/// <param name="Tokens">Token ids [t].</param>
/// <param name="Documents">Index of each token's document [t]; an inserted token belongs to the document that follows it.</param>
/// <param name="Positions">Index of each token among its document's tokens [t]; -1 for an inserted token (BOS or separator).</param>
public sealed record TokenContext(int[] Tokens, int[] Documents, int[] Positions)
{
    /// <summary>Number of tokens.</summary>
    public int Length => Tokens.Length;
}
