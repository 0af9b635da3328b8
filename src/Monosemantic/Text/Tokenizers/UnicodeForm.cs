using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Unicode's normalization forms NFC, NFD, NFKC and NFKD. Done here and not by <see cref="string.Normalize(NormalizationForm)"/>,
/// which depends on the machine's ICU and does nothing where the application is culture-invariant, as this one is.
/// Source: Unicode Standard Annex 15.
/// </summary>
/// <param name="compose">NFC and NFKC: whether characters are put together again.</param>
/// <param name="compatibility">NFKC and NFKD: whether characters are replaced by plainer ones.</param>
internal sealed class UnicodeForm(bool compose, bool compatibility) : TextNormalizer
{
    private readonly char firstChanged = compose && !compatibility ? '\u0300' : '\u0080';

    public override AlignedText Apply(AlignedText text, bool track)
    {
        ReadOnlySpan<char> span = text.Span;
        AlignedTextBuilder? result = null;
        var segment = new List<int>();
        int kept = 0, from = 0;
        while (NextSegment(span, from) is >= 0 and int start)
        {
            from = EndOfSegment(span, start, segment);
            if (segment is [var only] && Rune.TryCreate(span[start], out Rune unit) && unit.Value == only && from == start + 1) continue;
            string normal = Normalize(segment);
            if (span[start..from].SequenceEqual(normal)) continue;
            result ??= new AlignedTextBuilder(text, track);
            result.Keep(kept, start - kept);
            result.Replace(start, from - start, normal);
            kept = from;
        }
        if (result is null) return text;
        result.Keep(kept, span.Length - kept);
        return result.Build();
    }

    // Plain characters are passed over, but for the one that something may be put on.
    private int NextSegment(ReadOnlySpan<char> text, int from)
    {
        int plain = text[from..].IndexOfAnyExceptInRange('\0', (char)(firstChanged - 1));
        return plain < 0 ? -1 : from + Math.Max(0, plain - 1);
    }

    // A segment begins with a character that nothing before it can act on, and ends before the next one. Reads it decomposed.
    private int EndOfSegment(ReadOnlySpan<char> text, int from, List<int> segment)
    {
        segment.Clear();
        int at = from;
        while (at < text.Length)
        {
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int width);
            int before = segment.Count;
            UnicodeData.Decompose(rune.Value, compatibility, segment);
            if (at > from && IsBoundary(segment[before]))
            {
                segment.RemoveRange(before, segment.Count - before);
                return at;
            }
            at += width;
        }
        return at;
    }

    private bool IsBoundary(int first) => UnicodeData.CombiningClass(first) == 0 && !(compose && UnicodeData.ComposesWithPrevious(first));

    private string Normalize(List<int> segment)
    {
        Order(segment);
        if (compose) Compose(segment);
        var text = new StringBuilder(segment.Count);
        foreach (int character in segment) text.Append(new Rune(character).ToString());
        return text.ToString();
    }

    // Marks in ascending order of their class, those of one class as they were, none past a character of class 0.
    private static void Order(List<int> segment)
    {
        for (int i = 1; i < segment.Count; i++)
        {
            int mark = segment[i], at = i;
            int order = UnicodeData.CombiningClass(mark);
            for (; order > 0 && at > 0 && UnicodeData.CombiningClass(segment[at - 1]) > order; at--) segment[at] = segment[at - 1];
            segment[at] = mark;
        }
    }

    private static void Compose(List<int> segment)
    {
        int starter = -1, written = 0, last = 0;
        for (int i = 0; i < segment.Count; i++)
        {
            int character = segment[i], order = UnicodeData.CombiningClass(character);
            // Blocked where something between has the same or a higher class; `last` is the class just before, 0 right after the starter.
            bool reaches = starter >= 0 && (written == starter + 1 || (last < order && last > 0));
            int whole = reaches ? UnicodeData.Compose(segment[starter], character) : -1;
            if (whole >= 0)
            {
                segment[starter] = whole;
                continue;
            }
            if (order == 0) starter = written;
            last = order;
            segment[written++] = character;
        }
        segment.RemoveRange(written, segment.Count - written);
    }
}
