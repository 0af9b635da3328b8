using System.Globalization;
using Monosemantic.Runtime;

namespace Monosemantic.Cli;

/// <summary>Options that hold several whole numbers.</summary>
internal static class NumberList
{
    /// <summary>Reads <c>256,512,1024</c>.</summary>
    /// <param name="option">The option, for the error.</param>
    /// <param name="text">What was given.</param>
    /// <param name="least">The smallest number allowed.</param>
    internal static long[] Parse(string option, string text, long least)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        string[] wrong = [.. parts.Where(part => !long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number < least)];
        if (wrong.Length > 0) throw new UserErrorException($"{option} {text}: {string.Join(", ", wrong.Select(part => $"'{part}'"))} {(wrong.Length == 1 ? "is no whole number" : "are no whole numbers")} of at least {least}", $"give whole numbers separated by commas, such as {option} 256,512,1024");
        long[] numbers = [.. parts.Select(part => long.Parse(part, CultureInfo.InvariantCulture))];
        return numbers.Distinct().Count() == numbers.Length ? numbers : throw new UserErrorException($"{option} {text} holds a number twice", "give each number once");
    }
}
