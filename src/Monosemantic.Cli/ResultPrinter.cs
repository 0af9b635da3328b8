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
    private const int WidestCell = 60;

    internal static Option<bool> Csv() => new("--csv") { Description = "print comma-separated values and nothing else" };

    internal static void Print(QueryResult result, bool csv, bool json)
    {
        if (json) Console.Out.Write(JsonFile.ToText(result.Rows.Select(row => result.Columns.Zip(row).ToDictionary(pair => pair.First, pair => Plain(pair.Second)))));
        else if (csv) PrintCsv(result);
        else PrintTable(result);
    }

    /// <summary>A value on one line: control characters are shown, not sent to the terminal.</summary>
    internal static string Cell(object? value) => Visible(Text(value));

    private static void PrintCsv(QueryResult result)
    {
        Console.Out.WriteLine(string.Join(',', result.Columns.Select(Field)));
        foreach (var row in result.Rows) Console.Out.WriteLine(string.Join(',', row.Select(value => Field(Text(value)))));
    }

    private static void PrintTable(QueryResult result)
    {
        string[][] cells = [[.. result.Columns], .. result.Rows.Select(row => row.Select(Short).ToArray())];
        bool[] numeric = [.. result.Columns.Select((_, i) => result.Rows.All(row => row[i] is null or int or long or short or float or double or decimal))];
        int[] widths = [.. result.Columns.Select((_, i) => cells.Max(row => row[i].Length))];
        foreach (string[] row in cells)
        {
            Console.Out.WriteLine(string.Join("  ", row.Select((cell, i) => numeric[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]))).TrimEnd());
        }
        if (result.Rows.Length == 0) Console.Out.WriteLine("(no row)");
    }

    private static string Short(object? value)
    {
        string text = value is double or float ? Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString("G5", CultureInfo.InvariantCulture) : Cell(value);
        return text.Length <= WidestCell ? text : text[..(WidestCell - 1)] + "…";
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
