using System.Collections;
using System.CommandLine;
using System.Globalization;
using System.Text;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Cli;

/// <summary>Prints what a query found: as a table, as comma-separated values, or as JSON.</summary>
internal static class ResultPrinter
{
    /// <summary>Letters of the widest cell of a table; what is longer is cut.</summary>
    internal const int WidestCell = 60;

    internal static Option<bool> Csv() => new("--csv") { Description = "print comma-separated values and nothing else" };

    /// <summary>Prints a result.</summary>
    /// <param name="result">The result.</param>
    /// <param name="csv">As comma-separated values.</param>
    /// <param name="json">As JSON.</param>
    /// <param name="around">What a cell of the table that is too wide is cut around, so that it stays in view.</param>
    internal static void Print(QueryResult result, bool csv, bool json, string? around = null)
    {
        if (json) Console.Out.Write(JsonFile.ToText(result.Rows.Select(row => result.Columns.Zip(row).ToDictionary(pair => pair.First, pair => Plain(pair.Second)))));
        else if (csv) PrintCsv(result);
        else PrintTable(result, around);
    }

    /// <summary>A value on one line: control characters are shown, not sent to the terminal.</summary>
    internal static string Cell(object? value) => Visible(Text(value));

    private static void PrintCsv(QueryResult result)
    {
        Console.Out.WriteLine(string.Join(',', result.Columns.Select(Field)));
        foreach (var row in result.Rows) Console.Out.WriteLine(string.Join(',', row.Select(value => Field(Text(value)))));
    }

    private static void PrintTable(QueryResult result, string? around)
    {
        string[][] cells = [[.. result.Columns], .. result.Rows.Select(row => row.Select(cell => Short(cell, around)).ToArray())];
        bool[] numeric = [.. result.Columns.Select((_, i) => result.Rows.All(row => row[i] is null or int or long or short or float or double or decimal))];
        int[] widths = [.. result.Columns.Select((_, i) => cells.Max(row => row[i].Length))];
        foreach (string[] row in cells)
        {
            Console.Out.WriteLine(string.Join("  ", row.Select((cell, i) => numeric[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]))).TrimEnd());
        }
        if (result.Rows.Length == 0) Console.Out.WriteLine("(no row)");
    }

    private static string Short(object? value, string? around)
    {
        string text = value is double or float ? Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString("G5", CultureInfo.InvariantCulture) : Cell(value);
        if (text.Length <= WidestCell) return text;
        int found = around is null ? -1 : text.IndexOf(Visible(around), StringComparison.Ordinal);
        int start = found + around?.Length < WidestCell - 1 ? 0 : Math.Min(found - 12, text.Length - WidestCell + 1);
        return start <= 0 ? text[..(WidestCell - 1)] + "…" : "…" + Cut(text[start..], WidestCell - 1);
    }

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..(most - 1)] + "…";

    /// <summary>A text around a part of it, which is put between « and » and stays in view.</summary>
    /// <param name="before">What stands before the part.</param>
    /// <param name="part">The part.</param>
    /// <param name="after">What stands after it.</param>
    internal static string Around(string before, string part, string after)
    {
        string left = Visible(before), middle = $"«{Visible(part)}»";
        if (left.Length > 24) left = "…" + left[^23..];
        return Cut($"{left}{middle}{Visible(after)}", WidestCell);
    }

    private static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "true" : "false",
        IEnumerable list => $"[{string.Join(' ', list.Cast<object?>().Select(Text))}]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static object? Plain(object? value) => value switch
    {
        null or string or bool or int or long or short or sbyte or byte => value,
        double number => double.IsFinite(number) ? number : null,
        float number => float.IsFinite(number) ? number : null,
        IEnumerable list => list.Cast<object?>().Select(Plain).ToArray(),
        System.Numerics.BigInteger big => (long)big,
        decimal number => number,
        _ => Text(value),
    };

    private static string Visible(string text)
    {
        var visible = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value == '\n') visible.Append('↵');
            else if (rune.Value == '\t') visible.Append('⇥');
            else if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format) visible.Append(CultureInfo.InvariantCulture, $"⟨U+{rune.Value:X4}⟩");
            else visible.Append(rune.ToString());
        }
        return visible.ToString();
    }

    private static string Field(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
