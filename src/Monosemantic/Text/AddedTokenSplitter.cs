using System.Buffers;
using System.Collections.Immutable;

namespace Monosemantic.Text;

/// <summary>A stretch of a text: one added token, or plain text still to be encoded.</summary>
/// <param name="Start">First UTF-16 unit.</param>
/// <param name="Length">Number of UTF-16 units.</param>
/// <param name="Token">The added token's id, or -1 for plain text.</param>
internal readonly record struct TextPiece(int Start, int Length, int Token);

/// <summary>
/// Cuts a text at its added tokens: leftmost first, longest where several begin at one place. Tokens that are not normalized
/// are looked for first, the others in what is left. Source: Hugging Face tokenizers, tokenizer/added_vocabulary.rs.
/// </summary>
internal sealed class AddedTokenSplitter(ImmutableArray<AddedToken> tokens)
{
    private readonly ImmutableArray<Stage> all = Stages(tokens);
    private readonly ImmutableArray<Stage> ordinary = Stages([.. tokens.Where(token => !token.Special)]);

    /// <summary>The pieces of a text, in order, without empty ones.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">Whether special tokens are looked for too.</param>
    public List<TextPiece> Split(string text, bool parseSpecialTokens)
    {
        List<TextPiece> pieces = text.Length == 0 ? [] : [new TextPiece(0, text.Length, -1)];
        foreach (Stage stage in parseSpecialTokens ? all : ordinary) pieces = stage.Split(text, pieces);
        return pieces;
    }

    private static ImmutableArray<Stage> Stages(ImmutableArray<AddedToken> tokens) =>
        [.. tokens.GroupBy(token => token.Normalized).OrderBy(group => group.Key).Select(group => new Stage([.. group]))];

    private sealed class Stage(ImmutableArray<AddedToken> tokens)
    {
        private readonly SearchValues<string> any = SearchValues.Create([.. tokens.Select(token => token.Content)], StringComparison.Ordinal);
        private readonly ImmutableArray<AddedToken> longestFirst = [.. tokens.OrderByDescending(token => token.Content.Length)];

        public List<TextPiece> Split(string text, List<TextPiece> pieces)
        {
            var result = new List<TextPiece>(pieces.Count);
            foreach (TextPiece piece in pieces)
            {
                if (piece.Token >= 0) result.Add(piece);
                else SplitPlain(text, piece, result);
            }
            return result;
        }

        private void SplitPlain(string text, TextPiece piece, List<TextPiece> result)
        {
            int start = piece.Start, end = piece.Start + piece.Length;
            while (start < end)
            {
                ReadOnlySpan<char> rest = text.AsSpan(start, end - start);
                int at = rest.IndexOfAny(any);
                if (at != 0) result.Add(new TextPiece(start, at < 0 ? rest.Length : at, -1));
                if (at < 0) return;
                AddedToken found = LongestAt(rest[at..]);
                result.Add(new TextPiece(start + at, found.Content.Length, found.Id));
                start += at + found.Content.Length;
            }
        }

        private AddedToken LongestAt(ReadOnlySpan<char> rest)
        {
            foreach (AddedToken token in longestFirst)
            {
                if (rest.StartsWith(token.Content, StringComparison.Ordinal)) return token;
            }
            throw new InvalidOperationException("the search found an added token that none of them matches");
        }
    }
}
