using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// SentencePiece's unigram model: of all ways to write a text in pieces, the one with the highest sum of scores (Viterbi).
/// Source: google/sentencepiece, unigram_model.cc; Kudo, "Subword Regularization" (2018).
/// </summary>
internal sealed class UnigramModel : TokenModel
{
    private const float UnknownPenalty = 10, UserDefinedPenalty = 0.1f;

    private readonly Dictionary<string, (int Token, float Score)> pieces = new(StringComparer.Ordinal);
    private readonly int[]? byteTokens;
    private readonly int unknown;
    private readonly float unknownScore;
    private readonly int longest;

    /// <summary>Makes the model.</summary>
    /// <param name="file">The pieces and their scores.</param>
    /// <param name="byteTokens">The token of each byte; null where there is none.</param>
    /// <param name="unknown">The token of unknown characters.</param>
    public UnigramModel(SentencePieceFile file, int[]? byteTokens, int unknown)
    {
        this.byteTokens = byteTokens;
        this.unknown = unknown;
        float[] scores = [.. file.Pieces.Where((_, id) => file.Types[id] == PieceType.Normal).Select(piece => piece.Score).DefaultIfEmpty(0)];
        (float lowest, float highest) = (scores.Min(), scores.Max());
        unknownScore = lowest - UnknownPenalty;
        for (int id = 0; id < file.Pieces.Length; id++)
        {
            if (file.Types[id] is not (PieceType.Normal or PieceType.UserDefined)) continue;
            string text = file.Pieces[id].Text;
            // A user-defined piece is as good as the best pieces could be, so that it is always taken.
            float score = file.Types[id] == PieceType.Normal ? file.Pieces[id].Score : Encoding.UTF8.GetByteCount(text) * highest - UserDefinedPenalty;
            pieces.TryAdd(text, (id, score));
            longest = Math.Max(longest, text.Length);
        }
    }

    public override void Encode(ReadOnlySpan<char> preToken, TokenSink sink)
    {
        Step[] best = BestPaths(preToken);
        var steps = new Stack<(int Start, int End, int Token)>();
        for (int end = preToken.Length; end > 0; end = best[end].Start) steps.Push((best[end].Start, end, best[end].Token));
        while (steps.TryPop(out var step))
        {
            int start = step.Start, end = step.End;
            if (step.Token != unknown)
            {
                sink.Add(step.Token, Encoding.UTF8.GetByteCount(preToken[start..end]));
                continue;
            }
            // Unknown characters in a row are one token.
            while (byteTokens is null && steps.TryPeek(out var next) && next.Token == unknown) end = steps.Pop().End;
            AddUnknown(preToken[start..end], sink);
        }
    }

    // The best way to each place, from the left; of equals, the one that begins earliest.
    private Step[] BestPaths(ReadOnlySpan<char> text)
    {
        var best = new Step[text.Length + 1];
        Array.Fill(best, new Step(-1, unknown, float.NegativeInfinity));
        best[0] = new Step(0, unknown, 0);
        var lookup = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int start = 0; start < text.Length;)
        {
            Rune.DecodeFromUtf16(text[start..], out _, out int width);
            float before = best[start].Score;
            bool single = false;
            for (int length = 1; length <= Math.Min(longest, text.Length - start); length++)
            {
                if (!lookup.TryGetValue(text.Slice(start, length), out (int Token, float Score) piece)) continue;
                single |= length == width;
                Offer(best, start, start + length, piece.Token, before + piece.Score);
            }
            if (!single) Offer(best, start, start + width, unknown, before + unknownScore);
            start += width;
        }
        return best;
    }

    private static void Offer(Step[] best, int start, int end, int token, float score)
    {
        if (best[end].Start < 0 || score > best[end].Score) best[end] = new Step(start, token, score);
    }

    private void AddUnknown(ReadOnlySpan<char> text, TokenSink sink)
    {
        if (byteTokens is null)
        {
            sink.Add(unknown, Encoding.UTF8.GetByteCount(text));
            return;
        }
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        foreach (byte value in bytes) sink.Add(byteTokens[value], 1);
    }

    private readonly record struct Step(int Start, int Token, float Score);
}
