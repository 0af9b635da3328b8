using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>A stretch of the places in a context, counted from 0, inserted tokens included: <c>8..64</c>, <c>8..</c>, <c>..64</c>.</summary>
/// <param name="From">The first place.</param>
/// <param name="To">The place after the last.</param>
internal readonly record struct PositionRange(int From, int To)
{
    /// <summary>Reads a range; false where it is none.</summary>
    public static bool TryParse(string text, out PositionRange range)
    {
        range = new(0, int.MaxValue);
        string[] ends = text.Split("..");
        if (ends.Length != 2 || !TryEnd(ends[0], 0, out int from) || !TryEnd(ends[1], int.MaxValue, out int to)) return false;
        range = new(from, to);
        return from < to;
    }

    private static bool TryEnd(string text, int otherwise, out int value)
    {
        value = otherwise;
        return text.Length == 0 || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }
}

/// <summary>Which tokens of a context become rows.</summary>
internal sealed class RowPolicy(TokenPolicy policy, ImmutableArray<int> specialTokens)
{
    private readonly HashSet<int> left = policy.ExcludeSpecial ? [.. specialTokens] : [];
    private readonly PositionRange range = policy.Positions is null ? new(0, int.MaxValue)
        : PositionRange.TryParse(policy.Positions, out PositionRange read) ? read : throw new UserErrorException($"positions is '{policy.Positions}', which is no range", "write it as 8..64, 8.. or ..64");

    /// <summary>Number of rows that a context gives.</summary>
    public int Count(TokenContext context)
    {
        int count = 0;
        for (int at = 0; at < context.Length; at++) if (Keeps(context, at)) count++;
        return count;
    }

    /// <summary>Whether the token at a place of a context becomes a row.</summary>
    public bool Keeps(TokenContext context, int at)
    {
        if (at < range.From || at >= range.To) return false;
        bool inserted = context.Positions[at] < 0;
        if (inserted) return !policy.ExcludeInserted;
        return left.Count == 0 || !left.Contains(context.Tokens[at]);
    }
}
