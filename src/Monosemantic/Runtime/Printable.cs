using System.Text;

namespace Monosemantic.Runtime;

/// <summary>Text from a foreign file as it may stand in a message: one line, no control characters, not too long.</summary>
internal static class Printable
{
    private const int MaxLength = 120;

    /// <summary>A name as it may be shown; control, formatting and surrogate characters become <c>\uXXXX</c>.</summary>
    /// <param name="name">Any text.</param>
    internal static string Of(string name) => UpTo(MaxLength, name);

    /// <summary>A text likewise, of at most that many letters.</summary>
    /// <param name="most">Letters after which it is cut.</param>
    /// <param name="name">Any text.</param>
    internal static string UpTo(int most, string name)
    {
        var text = new StringBuilder();
        foreach (char letter in name.AsSpan(0, Math.Min(name.Length, most)))
        {
            if (IsHarmless(letter)) text.Append(letter);
            else text.Append($"\\u{(int)letter:x4}");
        }
        return name.Length > most ? text.Append("...").ToString() : text.ToString();
    }

    /// <summary>A shape as it is written in messages, such as <c>[3, 4]</c>; long ones are cut.</summary>
    /// <param name="shape">The dimensions.</param>
    internal static string Of(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape.Take(12))}{(shape.Count > 12 ? ", ..." : "")}]";

    private static bool IsHarmless(char letter) => !char.IsControl(letter) && !char.IsSurrogate(letter)
        && char.GetUnicodeCategory(letter) is not (System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.LineSeparator or System.Globalization.UnicodeCategory.ParagraphSeparator);
}
