using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Monosemantic.Text;

/// <summary>A stretch of a text: one added token, or plain text still to be encoded.</summary>
/// <param name="Start">First UTF-16 unit.</param>
/// <param name="Length">Number of UTF-16 units.</param>
/// <param name="Token">The added token's id, or -1 for plain text.</param>
internal readonly record struct TextPiece(int Start, int Length, int Token);

/// <summary>
/// Cuts a text at added tokens: leftmost first, longest where several begin at one place. Where special tokens are to stay
/// text, their text is passed over whole. Source: Hugging Face tokenizers, tokenizer/added_vocabulary.rs.
/// </summary>
internal sealed class AddedTokenSplitter
{
    private readonly SearchValues<string> any;
    private readonly ILookup<char, (string Text, AddedToken Token)> longestFirst;
    private readonly bool onlySpecial;

    /// <summary>Makes a splitter.</summary>
    /// <param name="tokens">The tokens and the text that each is found by; those of empty text are never found.</param>
    public AddedTokenSplitter(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        ImmutableArray<(string Text, AddedToken Token)> all = [.. tokens.Where(entry => entry.Text.Length > 0)];
        any = SearchValues.Create([.. all.Select(entry => entry.Text)], StringComparison.Ordinal);
        longestFirst = all.OrderByDescending(entry => entry.Text.Length).ToLookup(entry => entry.Text[0]);
        onlySpecial = all.All(entry => entry.Token.Special);
    }

    /// <summary>Whether no text can be cut.</summary>
    /// <param name="parseSpecialTokens">Whether special tokens are looked for too.</param>
    public bool Idle(bool parseSpecialTokens) => longestFirst.Count == 0 || (onlySpecial && !parseSpecialTokens);

    /// <summary>The pieces of a text, in order, without empty ones.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecialTokens">Whether special tokens are looked for too.</param>
    public List<TextPiece> Split(ReadOnlySpan<char> text, bool parseSpecialTokens)
    {
        var pieces = new List<TextPiece>();
        int plain = 0;
        for (int from = 0; !Idle(parseSpecialTokens) && from < text.Length;)
        {
            int at = text[from..].IndexOfAny(any) + from;
            if (at < from) break;
            (string found, AddedToken token) = LongestAt(text[at..]);
            from = at + found.Length;
            if ((token.Special && !parseSpecialTokens) || (token.SingleWord && !StandsAlone(text, at, from))) continue;
            int start = token.Lstrip ? Math.Max(plain, text[..at].TrimEnd().Length) : at;
            int end = token.Rstrip ? text.Length - text[from..].TrimStart().Length : from;
            // White space that one token took cannot be another.
            if (at < plain) continue;
            if (start > plain) pieces.Add(new TextPiece(plain, start - plain, -1));
            pieces.Add(new TextPiece(start, end - start, token.Id));
            plain = end;
        }
        if (plain < text.Length) pieces.Add(new TextPiece(plain, text.Length - plain, -1));
        return pieces;
    }

    private (string Text, AddedToken Token) LongestAt(ReadOnlySpan<char> rest)
    {
        foreach ((string Text, AddedToken Token) entry in longestFirst[rest[0]])
        {
            if (rest.StartsWith(entry.Text, StringComparison.Ordinal)) return entry;
        }
        throw new InvalidOperationException("the search found an added token that none of them matches");
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end)
    {
        bool before = start > 0 && Rune.DecodeLastFromUtf16(text[..start], out Rune left, out _) == OperationStatus.Done && IsWord(left);
        bool after = end < text.Length && Rune.DecodeFromUtf16(text[end..], out Rune right, out _) == OperationStatus.Done && IsWord(right);
        return !before && !after;
    }

    // \w of Unicode's regular expressions: letters, marks, decimal digits, connectors, joiners, and the letters in circles.
    private static bool IsWord(Rune character) => Rune.GetUnicodeCategory(character) switch
    {
        <= UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber => true,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => true,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation => true,
        _ => character.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9),
    };
}
