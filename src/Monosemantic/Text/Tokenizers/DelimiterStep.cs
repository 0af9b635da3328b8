using System.Globalization;
using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>What happens to the delimiters that a text is cut at.</summary>
internal enum SplitBehaviour
{
    /// <summary>They are left out.</summary>
    Removed,

    /// <summary>Each is a piece.</summary>
    Isolated,

    /// <summary>Each ends the piece before it; further ones in a row are pieces.</summary>
    MergedWithPrevious,

    /// <summary>Each begins the piece after it; earlier ones in a row are pieces.</summary>
    MergedWithNext,

    /// <summary>Those in a row are one piece.</summary>
    Contiguous,
}

/// <summary>Finds the delimiters of a text: ranges in order that do not overlap.</summary>
internal delegate List<(int Start, int Length)> DelimiterFinder(ReadOnlySpan<char> text);

/// <summary>Cuts at delimiters. Source: Hugging Face tokenizers, tokenizer/normalizer.rs, split.</summary>
/// <param name="behaviour">What happens to them.</param>
/// <param name="find">Finds them.</param>
/// <param name="invert">Whether what was found are the pieces and the rest the delimiters.</param>
internal sealed class DelimiterStep(SplitBehaviour behaviour, DelimiterFinder find, bool invert = false) : PreTokenizerStep
{
    public override PreTokens Apply(PreTokens tokens, bool track)
    {
        var words = new List<(int Start, int Length)>();
        foreach ((int start, int length) in tokens.Words)
        {
            List<Part> parts = Parts(tokens.Text.Span.Slice(start, length));
            words.AddRange(Join(parts).Where(part => part.End > part.Start).Select(part => (start + part.Start, part.End - part.Start)));
        }
        return tokens with { Words = words };
    }

    // The whole text, delimiters and what is between them.
    private List<Part> Parts(ReadOnlySpan<char> text)
    {
        var parts = new List<Part>();
        int at = 0;
        foreach ((int start, int length) in find(text))
        {
            if (start > at) parts.Add(new Part(at, start, invert));
            parts.Add(new Part(start, start + length, !invert));
            at = start + length;
        }
        if (at < text.Length) parts.Add(new Part(at, text.Length, invert));
        return parts;
    }

    private List<Part> Join(List<Part> parts)
    {
        switch (behaviour)
        {
            case SplitBehaviour.Removed: return [.. parts.Where(part => !part.Delimits)];
            case SplitBehaviour.Isolated: return parts;
            case SplitBehaviour.MergedWithNext:
                parts.Reverse();
                List<Part> reversed = JoinNeighbours(parts);
                reversed.Reverse();
                return reversed;
            default: return JoinNeighbours(parts);
        }
    }

    private List<Part> JoinNeighbours(List<Part> parts)
    {
        var joined = new List<Part>();
        bool previous = false;
        foreach (Part part in parts)
        {
            bool joins = behaviour == SplitBehaviour.Contiguous ? part.Delimits == previous : part.Delimits && !previous;
            if (joins && joined.Count > 0) joined[^1] = new Part(Math.Min(joined[^1].Start, part.Start), Math.Max(joined[^1].End, part.End), false);
            else joined.Add(part);
            previous = part.Delimits;
        }
        return joined;
    }

    private readonly record struct Part(int Start, int End, bool Delimits);
}

/// <summary>Single characters as delimiters.</summary>
internal static class Delimiters
{
    /// <summary>Every character that a condition holds for.</summary>
    public static List<(int Start, int Length)> Where(ReadOnlySpan<char> text, Func<Rune, bool> condition)
    {
        var found = new List<(int Start, int Length)>();
        for (int at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int width);
            if (condition(rune)) found.Add((at, width));
            at += width;
        }
        return found;
    }

    /// <summary>Numeric characters: decimal digits, letters and others that stand for a number.</summary>
    public static bool IsNumeric(Rune character) => Rune.IsNumber(character);

    /// <summary>ASCII punctuation and symbols, and Unicode's punctuation.</summary>
    public static bool IsPunctuation(Rune character) =>
        (character.IsAscii && !Rune.IsLetterOrDigit(character) && character.Value is > ' ' and < 0x7F)
        || Rune.GetUnicodeCategory(character) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;
}
