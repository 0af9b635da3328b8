using System.Collections.Immutable;

namespace Monosemantic.Reports;

/// <summary>How many values fall into each of the equal bins between two edges.</summary>
/// <param name="Low">Lower edge of the first bin.</param>
/// <param name="High">Upper edge of the last bin.</param>
/// <param name="Counts">Values in each bin.</param>
public sealed record Distribution(double Low, double High, ImmutableArray<long> Counts)
{
    /// <summary>Counts values into bins; those beyond an edge fall into the bin beside it.</summary>
    /// <param name="values">Finite numbers.</param>
    /// <param name="low">Lower edge of the first bin.</param>
    /// <param name="high">Upper edge of the last bin, above <paramref name="low"/>.</param>
    /// <param name="bins">Number of bins.</param>
    internal static Distribution Of(IEnumerable<double> values, double low, double high, int bins)
    {
        var counts = new long[bins];
        foreach (double value in values)
        {
            // Rounded, so that the last bit of a logarithm, which differs between C libraries, cannot move a value.
            double place = Math.Round((value - low) / (high - low) * bins, 9);
            counts[(int)Math.Clamp(Math.Floor(place), 0, bins - 1)]++;
        }
        return new(low, high, [.. counts]);
    }
}

/// <summary>A histogram as inline SVG: its bars name their numbers on hover, and it names itself to a screen reader.</summary>
internal sealed record BarChart
{
    private const double Left = 44, Right = 420, Top = 16, Bottom = 128;

    /// <summary>What it shows, for those who cannot see it.</summary>
    public required string Label { get; init; }

    /// <summary>What is counted, in the plural.</summary>
    public required string Unit { get; init; }

    /// <summary>What the horizontal axis means.</summary>
    public required string Axis { get; init; }

    /// <summary>Style class of the bars.</summary>
    public required string Style { get; init; }

    /// <summary>The counts.</summary>
    public required Distribution Bins { get; init; }

    /// <summary>Where the horizontal axis carries a number, and what stands there.</summary>
    public required ImmutableArray<(double At, string Text)> Ticks { get; init; }

    /// <summary>Share of all counts that the full height stands for; null for the tallest bar's own.</summary>
    public double? FullHeight { get; init; }

    /// <summary>A vertical line, such as the median.</summary>
    public (double At, string Text)? Marker { get; init; }

    /// <summary>Writes an edge of a bin in a bar's title.</summary>
    public Func<double, string> Edge { get; init; } = value => Numbers.Short(value);

    private double Total => Math.Max(1, Bins.Counts.Sum());

    private double Full => FullHeight ?? Bins.Counts.DefaultIfEmpty().Max() / Total;

    /// <summary>The drawing.</summary>
    public Markup Draw() => Markup.Of($"""
        <svg class="chart" viewBox="0 0 440 164" role="img" aria-label="{Label}">
        <line class="axis" x1="{C(Left)}" y1="{C(Bottom)}" x2="{C(Right)}" y2="{C(Bottom)}"/>
        <text class="tick" x="{C(Left - 6)}" y="{C(Top + 4)}" text-anchor="end">{Numbers.Percent(Full)}</text>
        <text class="tick" x="{C(Left - 6)}" y="{C(Bottom)}" text-anchor="end">0</text>
        {Bins.Counts.Select(Bar)}{Ticks.Select(Tick)}{MarkerLine()}
        <text class="name" x="{C((Left + Right) / 2)}" y="160" text-anchor="middle">{Axis}</text>
        </svg>
        """);

    private Markup Bar(long count, int bin)
    {
        if (count == 0) return Markup.Empty;
        double width = (Right - Left) / Bins.Counts.Length;
        // A bar of one unit among thousands is still there to be seen.
        double height = Math.Max(1.5, (Bottom - Top) * (count / Total) / Math.Max(Full, double.Epsilon));
        double step = (Bins.High - Bins.Low) / Bins.Counts.Length;
        string range = $"{Edge(Bins.Low + (bin * step))} to {Edge(Bins.Low + ((bin + 1) * step))}";
        return Markup.Of($"""
            <rect class="{Style}" x="{C(Left + (bin * width) + 0.5)}" y="{C(Bottom - height)}" width="{C(width - 1)}" height="{C(height)}"><title>{range}: {Numbers.Count(count)} {Unit}</title></rect>
            """);
    }

    private Markup Tick((double At, string Text) tick) => Markup.Of($"""
        <text class="tick" x="{C(X(tick.At))}" y="{C(Bottom + 15)}" text-anchor="middle">{tick.Text}</text>
        """);

    private Markup MarkerLine()
    {
        if (Marker is not { } marker) return Markup.Empty;
        double x = X(marker.At);
        bool left = x > (Left + Right) / 2;
        return Markup.Of($"""
            <line class="marker" x1="{C(x)}" y1="4" x2="{C(x)}" y2="{C(Bottom)}"/><text class="marker-text" x="{C(left ? x - 5 : x + 5)}" y="13" text-anchor="{(left ? "end" : "start")}">{marker.Text}</text>
            """);
    }

    private double X(double value) => Left + ((Right - Left) * Math.Clamp((value - Bins.Low) / (Bins.High - Bins.Low), 0, 1));

    private static string C(double value) => Numbers.Coordinate(value);
}
