using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// SentencePiece's normalization: characters replaced by the model's table, the longest match first and user-defined pieces
/// left alone; then spaces. Source: google/sentencepiece, normalizer.cc.
/// </summary>
internal sealed class SentencePieceNormalizer(SentencePieceFile file, CharacterReplacements? replacements, ImmutableArray<string> userDefined) : TextNormalizer
{
    private readonly AddedTokenSplitter kept = new(userDefined.Select(text => (text, new AddedToken(0, text, Special: false, Normalized: true))));
    private readonly string space = file.EscapesSpaces ? SentencePieceFormat.Mark.ToString() : " ";

    // Most byte-pair models change spaces and nothing else.
    private readonly TextNormalizer? onlySpaces = replacements is not null || file.RemovesSpaces ? null : new NormalizerSequence(
    [
        new PrependNormalizer(file.AddsPrefix ? " " : ""),
        new ReplaceCharacterNormalizer(' ', file.EscapesSpaces ? SentencePieceFormat.Mark : ' '),
    ]);

    public override AlignedText Apply(AlignedText text, bool track)
    {
        if (onlySpaces is not null) return onlySpaces.Apply(text, track);
        var result = new AlignedTextBuilder(text, track);
        List<(int Start, int Length, string? By)> parts = Parts(text.Span);
        int first = 0;
        while (file.RemovesSpaces && first < parts.Count && TextOf(parts[first], text) == " ") first++;
        if (first == parts.Count) return result.Build();
        if (file.AddsPrefix) result.Replace(parts[first].Start, 0, space);
        bool afterSpace = file.RemovesSpaces;
        for (int i = first; i < parts.Count; i++)
        {
            (int start, int length, string? by) = parts[i];
            string part = TextOf(parts[i], text);
            string rest = afterSpace ? part.TrimStart(' ') : part;
            if (by is null && rest.Length == length && !rest.Contains(' ')) result.Keep(start, length);
            else result.Replace(start, length, rest.Replace(" ", space, StringComparison.Ordinal));
            if (rest.Length > 0) afterSpace = file.RemovesSpaces && rest.EndsWith(' ');
        }
        while (file.RemovesSpaces && result.EndsWith(space)) result.RemoveLast(space.Length);
        return result.Build();
    }

    private static string TextOf((int Start, int Length, string? By) part, AlignedText text) => part.By ?? text.Span.Slice(part.Start, part.Length).ToString();

    // User-defined pieces, replaced stretches, and single characters.
    private List<(int Start, int Length, string? By)> Parts(ReadOnlySpan<char> text)
    {
        var parts = new List<(int Start, int Length, string? By)>(text.Length);
        foreach (TextPiece piece in kept.Split(text, parseSpecialTokens: false))
        {
            if (piece.Token >= 0) parts.Add((piece.Start, piece.Length, null));
            else AddPlain(text, piece, parts);
        }
        return parts;
    }

    private void AddPlain(ReadOnlySpan<char> text, TextPiece piece, List<(int Start, int Length, string? By)> parts)
    {
        for (int at = piece.Start, end = piece.Start + piece.Length; at < end;)
        {
            string? by = null;
            int length = replacements?.Match(text[at..end], out by) ?? 0;
            if (length == 0) Rune.DecodeFromUtf16(text[at..end], out _, out length);
            parts.Add((at, length, by));
            at += length;
        }
    }
}
