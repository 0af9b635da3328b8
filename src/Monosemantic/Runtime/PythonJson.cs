using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Monosemantic.Runtime;

/// <summary>Writes JSON with the bytes that Python's <c>json.dump</c> gives, for files that Python tools compare or read.</summary>
internal static class PythonJson
{
    /// <summary>The text of a value.</summary>
    /// <param name="value">The value; the order of keys is kept, and numbers that were read keep their spelling.</param>
    /// <param name="indent">Spaces a level; 0 for all on one line.</param>
    internal static string ToText(JsonNode value, int indent = 0)
    {
        var text = new StringBuilder();
        Write(JsonSerializer.SerializeToElement(value), text, indent, "\n");
        return text.ToString();
    }

    private static void Write(JsonElement value, StringBuilder text, int indent, string line)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteItems(text, '{', '}', indent, line, [.. value.EnumerateObject()], (property, inner) =>
                {
                    Quote(property.Name, text);
                    text.Append(": ");
                    Write(property.Value, text, indent, inner);
                });
                break;
            case JsonValueKind.Array:
                WriteItems(text, '[', ']', indent, line, [.. value.EnumerateArray()], (item, inner) => Write(item, text, indent, inner));
                break;
            case JsonValueKind.String:
                Quote(value.GetString()!, text);
                break;
            case JsonValueKind.Number:
                text.Append(value.GetRawText().ToLowerInvariant());
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static void WriteItems<T>(StringBuilder text, char open, char close, int indent, string line, T[] items, Action<T, string> write)
    {
        string inner = indent > 0 ? line + new string(' ', indent) : "";
        text.Append(open);
        for (int i = 0; i < items.Length; i++)
        {
            if (i > 0) text.Append(indent > 0 ? "," : ", ");
            text.Append(inner);
            write(items[i], inner);
        }
        if (items.Length > 0 && indent > 0) text.Append(line);
        text.Append(close);
    }

    // Everything but printable ASCII is escaped, with lower-case digits.
    private static void Quote(string value, StringBuilder text)
    {
        text.Append('"');
        foreach (char letter in value)
        {
            _ = letter switch
            {
                '"' or '\\' => text.Append('\\').Append(letter),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' or > '~' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                _ => text.Append(letter),
            };
        }
        text.Append('"');
    }
}
