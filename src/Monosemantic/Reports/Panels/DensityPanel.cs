namespace Monosemantic.Reports.Panels;

/// <summary>How often features fire.</summary>
/// <param name="Density">log10 of the density of every feature that fires.</param>
/// <param name="Never">Features that never fire.</param>
/// <param name="Dense">Features that fire on more than a tenth of the tokens.</param>
/// <param name="Median">Median density of those that fire; null where none does.</param>
public sealed record DensityContent(Distribution Density, int Never, int Dense, double? Median);

/// <summary>The density histogram.</summary>
public sealed class DensityPanel : Panel<DensityContent>
{
    /// <inheritdoc/>
    public override string Id => "density";

    /// <inheritdoc/>
    public override string Title => "How often features fire";

    /// <inheritdoc/>
    public override DensityContent? Build(ReportData data)
    {
        if (data.Features.IsEmpty) return null;
        double[] firing = [.. data.Features.Where(f => f.Firings > 0 && f.Density > 0).Select(f => f.Density).Order()];
        double low = firing.Length == 0 ? -1 : Math.Min(-1, Math.Floor(Log(firing[0])));
        var bins = Distribution.Of(firing.Select(Log), low, 0, (int)Math.Min(48, -low * 8));
        return new(bins, data.Features.Length - firing.Length, firing.Count(density => density > 0.1), Quartiles.Of(firing)?.Median);
    }

    /// <inheritdoc/>
    public override Markup Render(DensityContent content)
    {
        long firing = content.Density.Counts.Sum();
        var chart = new BarChart
        {
            Label = $"Histogram of density over {Numbers.Count(firing)} features that fire; median {Numbers.Percent(content.Median)}",
            Unit = "features",
            Axis = "density: share of tokens at which the feature fires, log scale",
            Style = "bar-feature",
            Bins = content.Density,
            Ticks = [.. Enumerable.Range((int)content.Density.Low, 1 - (int)content.Density.Low).Select(p => ((double)p, Power(p)))],
            Marker = content.Median is { } m ? (Log(m), $"median {Numbers.Percent(m)}") : null,
            Edge = value => Numbers.Percent(Math.Pow(10, value)),
        };
        return Markup.Of($"""
            <p class="note">Bars are shares of the {Numbers.Count(firing)} features that fire at least once in the scan; {Numbers.Count(content.Never)} never do, and {Numbers.Count(content.Dense)} fire on more than 10 % of the tokens.</p>
            {chart.Draw()}
            """);
    }

    private static string Power(int exponent) => exponent switch
    {
        >= -3 => Numbers.Percent(Math.Pow(10, exponent)),
        _ => $"10{string.Concat($"{exponent}".Select(c => c == '-' ? '⁻' : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c - '0']))}",
    };

    // Rounded: the last bit of a logarithm differs between C libraries, and would differ in the page.
    private static double Log(double density) => Math.Round(Math.Log10(density), 9);
}
