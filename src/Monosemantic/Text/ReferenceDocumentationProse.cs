using System.Text;
using System.Xml;

namespace Monosemantic.Text;

/// <summary>
/// Writes the content of a documentation element as lines of prose: inline tags become the words they stand for, block tags
/// begin a new line, white space is folded.
/// </summary>
internal sealed class ReferenceDocumentationProse
{
    private readonly StringBuilder text = new();
    private bool spacePending;
    private bool breakPending;

    /// <summary>Reads the element that a reader stands on, to its end, and returns its content as prose.</summary>
    /// <param name="reader">A reader on the start of an element; left on its end.</param>
    public string ReadElement(XmlReader reader)
    {
        text.Clear();
        spacePending = breakPending = false;
        if (reader.IsEmptyElement) return "";
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth) Node(reader);
        return Tidy(text);
    }

    private void Node(XmlReader reader)
    {
        switch (reader.NodeType)
        {
            case XmlNodeType.Element:
                StartElement(reader);
                break;
            case XmlNodeType.EndElement:
                EndElement(reader.Name);
                break;
            case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                Append(reader.Value);
                break;
        }
    }

    private void StartElement(XmlReader reader)
    {
        if (IsBlock(reader.Name)) breakPending = true;
        else if (reader.IsEmptyElement || reader.Name == "xref") Append(Word(reader));
        else if (reader.Name == "sup") Append("^");
    }

    private void EndElement(string name)
    {
        if (IsBlock(name)) breakPending = true;
        else if (name == "term") AppendTermEnd();
    }

    // <see cref="T:System.String"/> says String; <paramref name="path"/> says path.
    private static string Word(XmlReader reader)
    {
        if (reader.GetAttribute("cref") is { } cref) return ReadableName(cref);
        if (reader.GetAttribute("uid") is { } uid) return ReadableName(uid.Replace("%2A", "", StringComparison.Ordinal));
        return reader.GetAttribute("langword") ?? reader.GetAttribute("name") ?? reader.GetAttribute("href") ?? "";
    }

    private static string ReadableName(string cref) => DocumentationId.Parse(cref).ShortName;

    // description is inline: an item reads "term: description" on one line.
    private static bool IsBlock(string name) =>
        name is "para" or "p" or "br" or "list" or "item" or "listheader" or "ul" or "ol" or "li" or "table" or "tr";

    private void AppendTermEnd()
    {
        if (text.Length > 0 && text[^1] is not (':' or '.' or '\n')) text.Append(':');
        spacePending = true;
    }

    private void Append(string part)
    {
        for (int at = 0; at < part.Length; at++)
        {
            char letter = part[at];
            if (char.IsWhiteSpace(letter)) spacePending = true;
            else if (letter == '`') at += ArityDigits(part, at);
            else if (letter is not ('\u200B' or '\uFEFF' or '\u00AD')) AppendLetter(letter);
        }
    }

    // A backtick is either mark-up (`foreach`), which is dropped, or a generic arity (List`1), dropped with its digits.
    private static int ArityDigits(string part, int tick)
    {
        int end = tick + 1;
        bool afterName = tick > 0 && char.IsLetter(part[tick - 1]);
        while (afterName && end < part.Length && char.IsAsciiDigit(part[end])) end++;
        return end - tick - 1;
    }

    private void AppendLetter(char letter)
    {
        if (text.Length > 0 && breakPending) text.Append('\n');
        else if (text.Length > 0 && spacePending) text.Append(' ');
        spacePending = breakPending = false;
        text.Append(letter);
    }

    // White space between a tag and the punctuation after it is layout of the source: "a file ." But " .NET" and " ..." are words.
    private static string Tidy(StringBuilder prose)
    {
        string source = prose.ToString();
        prose.Clear();
        for (int at = 0; at < source.Length; at++)
        {
            bool stray = source[at] == ' ' && (EndsAWord(source.AsSpan(at + 1)) || (at > 0 && source[at - 1] == '('));
            if (!stray) prose.Append(source[at]);
        }
        return prose.ToString();
    }

    private static bool EndsAWord(ReadOnlySpan<char> rest)
    {
        int run = rest.IndexOfAnyExcept(".,;:)");
        if (run < 0) run = rest.Length;
        return run > 0 && !rest.StartsWith("..") && (run == rest.Length || char.IsWhiteSpace(rest[run]));
    }
}
