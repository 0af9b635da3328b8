using System.Collections;
using System.Globalization;
using System.Text.Json.Nodes;
using Monosemantic.Reports;
using Plotly.NET;

namespace Monosemantic.Cli.Notebooks;

/// <summary>Something a cell showed: text it printed, or a value in every form that a viewer may choose from.</summary>
/// <param name="Text">As plain text.</param>
/// <param name="Html">As HTML; null where there is none.</param>
/// <param name="Svg">As a picture; null where there is none.</param>
/// <param name="Plotly">As a chart for viewers that draw those themselves, JSON; null where there is none.</param>
/// <param name="Kind">How it came about, in the words of nbformat: stream, display_data or execute_result.</param>
internal sealed record NotebookOutput(string Text, string? Html, string? Svg, string? Plotly, string Kind)
{
    /// <summary>The type under which viewers find a chart of plotly.js.</summary>
    internal const string PlotlyType = "application/vnd.plotly.v1+json";

    private const int MostItems = 20, LongestBrief = 200;

    internal static NotebookOutput Printed(string text) => new(text, null, null, null, "stream");

    internal static NotebookOutput Of(object value, bool result)
    {
        string? html = RichHtml.Of(value);
        bool chart = value is GenericChart;
        return new(chart ? "a chart" : html is null ? Plain(value) : Brief(Plain(value)), chart ? null : html, chart ? html : null, RichHtml.PlotlyJson(value), result ? "execute_result" : "display_data");
    }

    internal JsonObject ToJson(int execution)
    {
        if (Kind == "stream") return new() { ["name"] = "stdout", ["output_type"] = "stream", ["text"] = Lines(Text) };
        var data = new JsonObject();
        if (Plotly is not null) data[PlotlyType] = JsonNode.Parse(Plotly);
        if (Svg is not null) data["image/svg+xml"] = Lines(Svg);
        if (Html is not null) data["text/html"] = Lines(Html);
        data["text/plain"] = Lines(Text);
        var output = new JsonObject { ["data"] = data };
        if (Kind == "execute_result") output["execution_count"] = execution;
        output["metadata"] = new JsonObject();
        output["output_type"] = Kind;
        return output;
    }

    // nbformat keeps texts as lists of lines, so that differences can be read.
    private static JsonArray Lines(string text)
    {
        var lines = new JsonArray();
        for (int start = 0; start < text.Length;)
        {
            int end = text.IndexOf('\n', start) is var found && found >= 0 ? found + 1 : text.Length;
            lines.Add((JsonNode)text[start..end]);
            start = end;
        }
        return lines;
    }

    private static string Plain(object value) => value switch
    {
        string text => text,
        IFormattable number and not Enum => number.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable list when value.GetType().Namespace?.StartsWith("System", StringComparison.Ordinal) == true => Listed(list),
        _ => value.ToString() ?? "",
    };

    // The whole of it stands in the HTML.
    private static string Brief(string text)
    {
        string first = text.Split('\n')[0].TrimEnd();
        return first.Length <= LongestBrief ? first : $"{first[..LongestBrief]} ...";
    }

    private static string Listed(IEnumerable list)
    {
        string[] items = [.. list.Cast<object?>().Take(MostItems + 1).Select(item => item is null ? "null" : Plain(item))];
        return $"[ {string.Join(", ", items.Take(MostItems))}{(items.Length > MostItems ? ", ..." : "")} ]";
    }
}
