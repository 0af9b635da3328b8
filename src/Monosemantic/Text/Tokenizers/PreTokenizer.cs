using System.Collections.Immutable;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Length in UTF-16 units of the first pre-token of a text that is not empty.</summary>
internal delegate int WordScanner(ReadOnlySpan<char> text);

/// <summary>A text and the ranges of it that are encoded each by itself.</summary>
/// <param name="Text">The text, normalized.</param>
/// <param name="Words">The ranges in order; none is empty, and they do not overlap.</param>
internal sealed record PreTokens(AlignedText Text, List<(int Start, int Length)> Words)
{
    /// <summary>Whether the text begins where the original does.</summary>
    public bool AtStart { get; init; }
}

/// <summary>One step of a pre-tokenizer. Source: Hugging Face tokenizers, pre_tokenizers.</summary>
internal abstract class PreTokenizerStep
{
    /// <summary>Cuts further, or changes the text.</summary>
    /// <param name="tokens">What the steps before left.</param>
    /// <param name="track">Whether the text must know where it came from.</param>
    public abstract PreTokens Apply(PreTokens tokens, bool track);
}

/// <summary>Cuts normalized text into the pieces that are encoded each by itself.</summary>
internal sealed class PreTokenizer
{
    private readonly ImmutableArray<PreTokenizerStep> steps;

    /// <summary>Makes a pre-tokenizer of steps; of none, it leaves the text whole.</summary>
    public PreTokenizer(ImmutableArray<PreTokenizerStep> steps)
    {
        this.steps = steps;
        Scanner = steps switch
        {
            [] => text => text.Length,
            [ScanStep only] => only.Scanner,
            _ => null,
        };
    }

    /// <summary>Cuts text as it comes, without lists, where the steps are no more than a scan; else null.</summary>
    public WordScanner? Scanner { get; }

    /// <summary>Cuts a text.</summary>
    public PreTokens Split(AlignedText text, bool atStart, bool track)
    {
        var tokens = new PreTokens(text, text.Chars.IsEmpty ? [] : [(0, text.Chars.Length)]) { AtStart = atStart };
        foreach (PreTokenizerStep step in steps) tokens = step.Apply(tokens, track);
        return tokens;
    }
}

/// <summary>Cuts by one of the published patterns, every character of a text being in one of its matches.</summary>
internal sealed class ScanStep(WordScanner scanner) : PreTokenizerStep
{
    public WordScanner Scanner => scanner;

    public override PreTokens Apply(PreTokens tokens, bool track)
    {
        var words = new List<(int Start, int Length)>();
        foreach ((int start, int length) in tokens.Words)
        {
            for (int at = start; at < start + length;)
            {
                int next = scanner(tokens.Text.Span[at..(start + length)]);
                words.Add((at, next));
                at += next;
            }
        }
        return tokens with { Words = words };
    }
}

/// <summary>Byte-level's <c>add_prefix_space</c>: a space in front of each piece that does not begin with one.</summary>
internal sealed class PrefixSpaceStep : PreTokenizerStep
{
    public override PreTokens Apply(PreTokens tokens, bool track)
    {
        var text = new AlignedTextBuilder(tokens.Text, track);
        var words = new List<(int Start, int Length)>(tokens.Words.Count);
        foreach ((int start, int length) in tokens.Words)
        {
            int before = text.Length;
            if (tokens.Text.Span[start] != ' ') text.Replace(start, 0, " ");
            text.Keep(start, length);
            words.Add((before, text.Length - before));
        }
        return tokens with { Text = text.Build(), Words = words };
    }
}

/// <summary>When <see cref="MetaspaceStep"/> puts its mark in front.</summary>
internal enum PrependScheme
{
    /// <summary>In front of the beginning of the text only.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>In front of every piece.</summary>
    Always,
}

/// <summary>SentencePiece's mark for a space, and a cut before each.</summary>
internal sealed class MetaspaceStep(char mark, PrependScheme scheme, bool split) : PreTokenizerStep
{
    public override PreTokens Apply(PreTokens tokens, bool track)
    {
        var text = new AlignedTextBuilder(tokens.Text, track);
        var words = new List<(int Start, int Length)>(tokens.Words.Count);
        foreach ((int start, int length) in tokens.Words)
        {
            int before = text.Length;
            ReadOnlySpan<char> word = tokens.Text.Span.Slice(start, length);
            bool first = tokens.AtStart && start == 0;
            if (word[0] != ' ' && word[0] != mark && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && first))) text.Replace(start, 0, [mark]);
            for (int i = 0; i < length; i++)
            {
                int plain = word[i..].IndexOf(' ') is >= 0 and int space ? space : length - i;
                text.Keep(start + i, plain);
                i += plain;
                if (i < length) text.Replace(start + i, 1, [mark]);
            }
            words.Add((before, text.Length - before));
        }
        var result = tokens with { Text = text.Build(), Words = words };
        return split ? new DelimiterStep(SplitBehaviour.MergedWithNext, span => Delimiters.Where(span, character => character.Value == mark)).Apply(result, track) : result;
    }
}
