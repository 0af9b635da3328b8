using System.Text.Json;
using System.Text.Json.Nodes;
using Plotly.NET;

namespace Monosemantic.Reports.Charts;

/// <summary>A chart as plotly.js takes it: data, layout and config.</summary>
internal static class ChartFigure
{
    /// <summary>As a tree that can be looked into.</summary>
    internal static JsonObject Of(GenericChart chart)
    {
        JsonNode parsed = JsonNode.Parse(GenericChart.toFigureJson(chart)) ?? throw new JsonException("a chart without content");
        var figure = parsed.AsObject();
        // What Plotly.NET adds for its own pages is left out.
        return Of(figure["data"]?.DeepClone(), figure["layout"]?.DeepClone());
    }

    internal static JsonObject Of(JsonNode? data, JsonNode? layout) =>
        new() { ["data"] = data, ["layout"] = layout, ["config"] = new JsonObject { ["responsive"] = true, ["displaylogo"] = false } };
}
