namespace Monosemantic.Reports.Panels;

/// <summary>The drawing of the dictionary.</summary>
/// <param name="Features">Features that have a place in it.</param>
public sealed record MapContent(int Features);

/// <summary>A picture of all features at once, drawn by the page's script; the places come with the list's columns.</summary>
public sealed class MapPanel : Panel<MapContent>
{
    /// <inheritdoc/>
    public override string Id => "map";

    /// <inheritdoc/>
    public override string Title => "Map: principal components of the decoder directions";

    /// <inheritdoc/>
    public override MapContent? Build(ReportData data)
    {
        int placed = data.Features.Count(feature => feature.Map is not null);
        return placed == 0 ? null : new(placed);
    }

    /// <inheritdoc/>
    public override Markup Render(MapContent content) => Markup.Of($"""
        <p class="note">{Numbers.Count(content.Features)} features where their decoder directions fall on the first two principal components (PCA): what is close
        here need not be close in all dimensions. Darker means that it is about fewer tokens (low token entropy); grey never fires. Click a point to open its feature.</p>
        <div class="map-box"><canvas id="map-canvas" width="1100" height="520" role="img" aria-label="Scatter plot of {Numbers.Count(content.Features)} features; the same features are in the list"></canvas></div>
        """);
}
