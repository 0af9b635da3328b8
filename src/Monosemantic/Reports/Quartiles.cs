namespace Monosemantic.Reports;

/// <summary>Where a list of numbers has its middle and its quarters.</summary>
/// <param name="Lower">A quarter of the numbers lie below.</param>
/// <param name="Median">Half of the numbers lie below.</param>
/// <param name="Upper">Three quarters of the numbers lie below.</param>
public sealed record Quartiles(double Lower, double Median, double Upper)
{
    /// <summary>Quartiles by linear interpolation between neighbours; null for no numbers.</summary>
    /// <param name="ascending">The numbers in ascending order.</param>
    internal static Quartiles? Of(IReadOnlyList<double> ascending) =>
        ascending.Count == 0 ? null : new(At(ascending, 0.25), At(ascending, 0.5), At(ascending, 0.75));

    private static double At(IReadOnlyList<double> ascending, double share)
    {
        double place = share * (ascending.Count - 1);
        int below = (int)place, above = Math.Min(below + 1, ascending.Count - 1);
        return ascending[below] + ((place - below) * (ascending[above] - ascending[below]));
    }
}
