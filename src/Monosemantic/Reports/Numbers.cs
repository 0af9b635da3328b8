using System.Globalization;

namespace Monosemantic.Reports;

/// <summary>How numbers are written in a report: the same on every machine, and never longer than they are worth.</summary>
internal static class Numbers
{
    /// <summary>What stands where there is no number.</summary>
    public const string None = "\u2013";

    /// <summary>A count with thousands separated.</summary>
    /// <param name="count">The count.</param>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Four significant digits; a power of ten only where plain digits would be long.</summary>
    /// <param name="value">The number; null or not finite becomes a dash.</param>
    public static string Short(double? value)
    {
        if (value is not { } v || !double.IsFinite(v)) return None;
        if (v == 0) return "0";
        double size = Math.Abs(v);
        return size is >= 1e6 or < 1e-4 ? v.ToString("0.###e+0", CultureInfo.InvariantCulture) : Plain(v, 4);
    }

    /// <summary>A share as a percentage with at most three significant digits.</summary>
    /// <param name="share">0 to 1; null or not finite becomes a dash.</param>
    public static string Percent(double? share) => share is { } s && double.IsFinite(s) ? $"{Plain(100 * s, 3)} %" : None;

    /// <summary>The number with that many significant decimal digits, for compact storage; null where it is not finite.</summary>
    /// <param name="value">The number.</param>
    /// <param name="digits">Significant digits.</param>
    public static double? Rounded(double? value, int digits = 4)
    {
        if (value is not { } v || !double.IsFinite(v)) return null;
        if (v == 0) return 0;
        // Halves go away from zero, as they do in the page's script.
        string exact = v.ToString("E16", CultureInfo.InvariantCulture);
        int power = exact.IndexOf('E', StringComparison.Ordinal);
        decimal mantissa = Math.Round(decimal.Parse(exact.AsSpan(0, power), CultureInfo.InvariantCulture), digits - 1, MidpointRounding.AwayFromZero);
        return double.Parse(string.Concat(mantissa.ToString(CultureInfo.InvariantCulture), exact.AsSpan(power)), CultureInfo.InvariantCulture);
    }

    /// <summary>A coordinate in a drawing, two decimals.</summary>
    /// <param name="value">The coordinate.</param>
    public static string Coordinate(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Plain(double value, int digits) =>
        ((decimal)Rounded(value, digits)!.Value).ToString("0.############", CultureInfo.InvariantCulture);
}
