using System.Collections.Immutable;
using Monosemantic.Text;

namespace Monosemantic.Metrics.Probing;

/// <summary>A document's tokens with what its own text says about each: the labels that need nobody to write them.</summary>
internal sealed class TextTokens
{
    private static readonly (string Label, string Section)[] Labels =
    [
        ("Parameter ", "parameter"), ("Type parameter ", "parameter"), ("Value: ", "value"), ("Returns: ", "returns"), ("Throws ", "throws"), ("Example: ", "example"),
    ];

    /// <summary>Tokenizes a document and walks over its text once.</summary>
    internal TextTokens(Document document, Tokenizer tokenizer)
    {
        (Name, Text, Spans) = (document.Name, document.Text, tokenizer.EncodeWithOffsets(document.Text));
        (Quoted, Bracketed, FirstOfLine, Repeated, Lines) = (new bool[Count], new bool[Count], new bool[Count], new bool[Count], new int[Count]);
        Walk();
    }

    /// <summary>Name of the document.</summary>
    public string Name { get; }

    /// <summary>Its text.</summary>
    public string Text { get; }

    /// <summary>Its tokens.</summary>
    public ImmutableArray<TokenSpan> Spans { get; }

    /// <summary>Number of tokens.</summary>
    public int Count => Spans.Length;

    /// <summary>Whether an odd number of quotation marks stands before each token's first letter in its line.</summary>
    public bool[] Quoted { get; }

    /// <summary>Whether more round brackets were opened than closed before it in its line.</summary>
    public bool[] Bracketed { get; }

    /// <summary>Whether nothing but space stands between it and the beginning of its line.</summary>
    public bool[] FirstOfLine { get; }

    /// <summary>Whether the same token stood in the document before.</summary>
    public bool[] Repeated { get; }

    /// <summary>Number of its line, from 0.</summary>
    public int[] Lines { get; }

    /// <summary>A token without the space around it.</summary>
    public ReadOnlySpan<char> Content(int token) => Text.AsSpan(Spans[token].Start..Spans[token].End).Trim();

    /// <summary>Where a token's content begins.</summary>
    public int ContentStart(int token)
    {
        int at = Spans[token].Start;
        while (at < Spans[token].End && char.IsWhiteSpace(Text[at])) at++;
        return at;
    }

    /// <summary>The whole word, in small letters, that a token is of; empty for a token without letters.</summary>
    public string Word(int token)
    {
        int from = ContentStart(token), to = from;
        if (from >= Spans[token].End || !char.IsLetter(Text[from])) return "";
        while (from > 0 && char.IsLetter(Text[from - 1])) from--;
        while (to < Text.Length && char.IsLetter(Text[to])) to++;
        return Text[from..to].ToLowerInvariant();
    }

    /// <summary>Whether a token is one whole word of at least two letters.</summary>
    public bool IsWholeWord(int token)
    {
        int from = ContentStart(token), to = Spans[token].End;
        if (to - from < 2 || (from > 0 && char.IsLetterOrDigit(Text[from - 1])) || (to < Text.Length && char.IsLetterOrDigit(Text[to]))) return false;
        return Text.AsSpan(from, to - from).ContainsAnyExcept(Letters) == false;
    }

    /// <summary>The part of a reference documentation's entry that a token stands in.</summary>
    public string Section(int token)
    {
        if (Lines[token] == 0) return "heading";
        int start = Text.LastIndexOf('\n', Math.Min(ContentStart(token), Text.Length - 1)) + 1;
        foreach ((string label, string section) in Labels)
        {
            if (Text.AsSpan(start).StartsWith(label, StringComparison.Ordinal)) return section;
        }
        return "description";
    }

    private static readonly System.Buffers.SearchValues<char> Letters = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    private void Walk()
    {
        var seen = new HashSet<int>();
        int at = 0, line = 0, open = 0;
        bool quoted = false, blank = true;
        for (int token = 0; token < Count; token++)
        {
            int start = ContentStart(token);
            for (; at < start; at++)
            {
                char letter = Text[at];
                if (letter == '\n') (line, open, quoted, blank) = (line + 1, 0, false, true);
                else if (letter is '"' or '\u201C' or '\u201D') quoted = letter == '"' ? !quoted : letter == '\u201C';
                else if (letter == '(') open++;
                else if (letter == ')') open = Math.Max(0, open - 1);
                if (!char.IsWhiteSpace(letter)) blank = false;
            }
            (Quoted[token], Bracketed[token], FirstOfLine[token], Lines[token]) = (quoted, open > 0, blank && start < Spans[token].End, line);
            Repeated[token] = !seen.Add(Spans[token].Token);
        }
    }
}
