using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Changes a text before it is cut into pre-tokens. Source: Hugging Face tokenizers, normalizers.</summary>
internal abstract class TextNormalizer
{
    /// <summary>The changed text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="track">Whether the result must know where each unit came from.</param>
    public abstract AlignedText Apply(AlignedText text, bool track);

    /// <summary>The changed text, without its origins.</summary>
    public string Apply(string text) => Apply(AlignedText.Of(text, 0, text.Length), track: false).Span.ToString();
}

/// <summary>Several, one after the other.</summary>
internal sealed class NormalizerSequence(ImmutableArray<TextNormalizer> steps) : TextNormalizer
{
    public override AlignedText Apply(AlignedText text, bool track)
    {
        foreach (TextNormalizer step in steps) text = step.Apply(text, track);
        return text;
    }
}

/// <summary>Puts a text in front of each that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : TextNormalizer
{
    public override AlignedText Apply(AlignedText text, bool track)
    {
        if (text.Chars.IsEmpty || prefix.Length == 0) return text;
        var result = new AlignedTextBuilder(text, track);
        result.Replace(0, 0, prefix);
        result.Keep(0, text.Chars.Length);
        return result.Build();
    }
}

/// <summary>Replaces every match of a pattern.</summary>
internal sealed class ReplaceNormalizer(CodePointPattern pattern, string content) : TextNormalizer
{
    public override AlignedText Apply(AlignedText text, bool track)
    {
        List<(int Start, int Length)> matches = pattern.Matches(text.Span);
        if (matches.Count == 0) return text;
        var result = new AlignedTextBuilder(text, track);
        int at = 0;
        foreach ((int start, int length) in matches)
        {
            result.Keep(at, start - at);
            result.Replace(start, length, content);
            at = start + length;
        }
        result.Keep(at, text.Chars.Length - at);
        return result.Build();
    }
}

/// <summary>Replaces one character by another; what the usual <c>Replace " " by "▁"</c> is, without the cost of a pattern.</summary>
internal sealed class ReplaceCharacterNormalizer(char from, char to) : TextNormalizer
{
    public override AlignedText Apply(AlignedText text, bool track)
    {
        if (!text.Span.Contains(from)) return text;
        char[] chars = text.Span.ToArray();
        chars.AsSpan().Replace(from, to);
        return text with { Chars = chars };
    }
}

/// <summary>Takes white space off the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : TextNormalizer
{
    public override AlignedText Apply(AlignedText text, bool track)
    {
        ReadOnlySpan<char> span = text.Span;
        int start = left ? span.Length - span.TrimStart().Length : 0;
        int length = right ? span[start..].TrimEnd().Length : span.Length - start;
        if (length == span.Length) return text;
        var result = new AlignedTextBuilder(text, track);
        result.Keep(start, length);
        return result.Build();
    }
}

/// <summary>Lower case, character by character, by Unicode's rules and no language's.</summary>
internal sealed class LowercaseNormalizer : TextNormalizer
{
    private const int CapitalIWithDot = 0x130;

    public override AlignedText Apply(AlignedText text, bool track)
    {
        var result = new AlignedTextBuilder(text, track);
        Span<char> lower = stackalloc char[2];
        for (int at = 0; at < text.Chars.Length;)
        {
            Rune.DecodeFromUtf16(text.Span[at..], out Rune rune, out int width);
            int length = Rune.ToLowerInvariant(rune).EncodeToUtf16(lower);
            if (rune.Value == CapitalIWithDot) result.Replace(at, width, "i\u0307");
            else result.Replace(at, width, lower[..length]);
            at += width;
        }
        return result.Build();
    }
}
