namespace Monosemantic.Runtime.TensorFiles;

/// <summary>Reads the one form of Python literal that array headers have: a dictionary of a text, a truth value and a tuple of whole numbers.</summary>
/// <param name="text">The header's text.</param>
/// <param name="where">What is being read, for errors.</param>
internal sealed class NpyDictionary(string text, string where)
{
    private int at;

    /// <summary>What a header says.</summary>
    /// <param name="Descriptor">NumPy's name of the element type.</param>
    /// <param name="Fortran">Whether the first index runs fastest.</param>
    /// <param name="Shape">The dimensions.</param>
    internal sealed record Content(string Descriptor, bool Fortran, long[] Shape);

    /// <summary>Reads all of the text.</summary>
    internal Content Read()
    {
        string? descriptor = null;
        bool? fortran = null;
        long[]? shape = null;
        Expect('{');
        while (!Accept('}'))
        {
            string key = Text();
            Expect(':');
            if (key == "descr" && descriptor is null) descriptor = Type();
            else if (key == "fortran_order" && fortran is null) fortran = Truth();
            else if (key == "shape" && shape is null) shape = Tuple();
            else throw Bad($"its header has the key '{Printable.Of(key)}' twice, or it is not one of descr, fortran_order, shape");
            if (!Accept(',') && Peek() != '}') throw Bad("its header has no comma between two keys");
        }
        Peek();
        if (at < text.Length) throw Bad("something follows the dictionary in its header");
        if (descriptor is null || fortran is null || shape is null) throw Bad("its header lacks one of descr, fortran_order, shape");
        return new Content(descriptor, fortran.Value, shape);
    }

    private string Type() => Peek() == '[' ? throw Bad("it holds records of several fields, not numbers") : Text();

    private string Text()
    {
        char quote = Peek();
        if (quote is not ('\'' or '"')) throw Bad("its header is not the dictionary that NumPy writes");
        int end = text.IndexOf(quote, at + 1);
        if (end < 0) throw Bad("its header ends within a text");
        string inside = text[(at + 1)..end];
        at = end + 1;
        if (inside.Contains('\\', StringComparison.Ordinal)) throw Bad("its header has a backslash in a text");
        return inside;
    }

    private bool Truth()
    {
        Peek();
        foreach ((string word, bool value) in new[] { ("True", true), ("False", false) })
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) continue;
            at += word.Length;
            return value;
        }
        throw Bad("fortran_order is neither True nor False");
    }

    private long[] Tuple()
    {
        var items = new List<long>();
        bool comma = false;
        Expect('(');
        while (!Accept(')'))
        {
            if (items.Count == TensorElement.MaxDimensions) throw Bad($"it has more than {TensorElement.MaxDimensions} dimensions");
            if (items.Count > 0 && !comma) throw Bad("its shape has no comma between two numbers");
            items.Add(Number());
            comma = Accept(',');
        }
        // In Python, (3) is a number and not a tuple.
        if (items.Count == 1 && !comma) throw Bad("its shape is not a tuple");
        return [.. items];
    }

    private long Number()
    {
        Peek();
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
        if (!long.TryParse(text.AsSpan(start, at - start), System.Globalization.NumberStyles.None, null, out long number)) throw Bad("its shape holds something else than whole numbers from 0 to 2^63 - 1");
        // Python 2 wrote long numbers so.
        if (at < text.Length && text[at] == 'L') at++;
        return number;
    }

    private void Expect(char letter)
    {
        if (!Accept(letter)) throw Bad("its header is not the dictionary that NumPy writes");
    }

    private bool Accept(char letter)
    {
        if (Peek() != letter) return false;
        at++;
        return true;
    }

    // Passes over white space; the letter there, or a zero at the end.
    private char Peek()
    {
        while (at < text.Length && text[at] is ' ' or '\n' or '\t' or '\r') at++;
        return at < text.Length ? text[at] : '\0';
    }

    private UserErrorException Bad(string what) => NpyHeader.Bad(where, what);
}
