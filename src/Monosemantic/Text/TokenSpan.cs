namespace Monosemantic.Text;

/// <summary>
/// A token and the text it came from: the smallest range of whole characters that holds its bytes. Tokens that cut a character
/// into its bytes therefore all name that character, so ranges may overlap.
/// </summary>
/// <param name="Token">The token's id.</param>
/// <param name="Start">First UTF-16 unit of the range.</param>
/// <param name="End">UTF-16 unit after the range.</param>
public sealed record TokenSpan(int Token, int Start, int End);
