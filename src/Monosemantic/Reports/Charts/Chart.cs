using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Monosemantic.Reports.Charts;

/// <summary>One interactive chart in Plotly's words, with a heading above it.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">One sentence that says how to read it.</param>
/// <param name="Traces">Plotly traces.</param>
/// <param name="Layout">Plotly layout.</param>
internal sealed record Chart(string Title, string Note, ImmutableArray<object> Traces, object Layout)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>As plotly.js takes it.</summary>
    internal JsonObject Figure() => ChartFigure.Of(JsonSerializer.SerializeToNode(Traces, Json), JsonSerializer.SerializeToNode(Layout, Layout.GetType(), Json));
}
