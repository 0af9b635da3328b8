using System.Collections.Immutable;

namespace Monosemantic.Reports.Panels;

/// <summary>How many features fire per token.</summary>
/// <param name="Counts">Tokens by the number of features that fire there, from <paramref name="Low"/> upwards in steps of <paramref name="Step"/>.</param>
/// <param name="Low">Fewest features.</param>
/// <param name="Step">Numbers of features in one bar.</param>
/// <param name="Mean">Mean number of features per token: L0.</param>
public sealed record ActiveFeaturesContent(ImmutableArray<long> Counts, int Low, int Step, double Mean);

/// <summary>The distribution of L0 over tokens.</summary>
public sealed class ActiveFeaturesPanel : Panel<ActiveFeaturesContent>
{
    private const int MostBars = 48;

    /// <inheritdoc/>
    public override string Id => "active-features";

    /// <inheritdoc/>
    public override string Title => "How many features fire per token";

    /// <inheritdoc/>
    public override ActiveFeaturesContent? Build(ReportData data)
    {
        ImmutableArray<long> rows = data.Run.ActiveFeatures;
        if (rows.IsDefaultOrEmpty || rows.All(count => count == 0)) return null;
        int low = rows.Select((count, features) => (count, features)).First(pair => pair.count > 0).features, step = 1 + ((rows.Length - low - 1) / MostBars);
        long[] counts = new long[((rows.Length - low - 1) / step) + 1];
        for (int features = low; features < rows.Length; features++) counts[(features - low) / step] += rows[features];
        double mean = rows.Select((count, features) => (double)count * features).Sum() / rows.Sum();
        return new([.. counts], low, step, mean);
    }

    /// <inheritdoc/>
    public override Markup Render(ActiveFeaturesContent content)
    {
        double high = content.Low + (content.Counts.Length * content.Step);
        int every = Math.Max(1, content.Counts.Length / 6) * content.Step;
        var chart = new BarChart
        {
            Label = $"Histogram of the number of features that fire per token; mean {Numbers.Short(content.Mean)}",
            Unit = "tokens",
            Axis = "features that fire at a token (L0)",
            Style = "bar-feature",
            Bins = new(content.Low, high, content.Counts),
            Ticks = [.. Enumerable.Range(0, content.Counts.Length).Select(bar => content.Low + (bar * content.Step)).Where(at => (at - content.Low) % every == 0).Select(at => (at + 0.5, $"{at}"))],
            Marker = (content.Mean + 0.5, $"mean {Numbers.Short(content.Mean)}"),
        };
        return Markup.Of($"""
            <p class="note">Bars are shares of the scanned tokens.</p>
            {chart.Draw()}
            """);
    }
}
