using Plotly.NET;
using Attributes = DynamicObj.DynamicObj;

namespace Monosemantic.Reports.Charts;

/// <summary>Builds Plotly.NET charts from plain attributes, by the names that plotly.js documents.</summary>
internal static class ChartParts
{
    /// <summary>Colours that differ for every kind of colour vision, on light and on dark.</summary>
    internal const string Blue = "#3b6fb6", Orange = "#d9822b", Grey = "#8a8f98";

    /// <summary>From nothing to much: readable without colour, as lightness.</summary>
    internal static object[][] Ramp { get; } = [[0.0, "#f3f4f6"], [0.25, "#fbd9a5"], [0.6, "#e8893c"], [1.0, "#8f2d13"]];

    /// <summary>A trace.</summary>
    internal static Trace Trace(string type, params (string Name, object Value)[] attributes) => With(new Trace2D(type), attributes);

    /// <summary>A group of attributes.</summary>
    internal static Attributes Group(params (string Name, object Value)[] attributes)
    {
        var group = new Attributes();
        foreach ((string name, object value) in attributes) group.SetProperty(name, value);
        return group;
    }

    /// <summary>A chart that draws itself without a network, wherever it is shown.</summary>
    internal static GenericChart Chart(string title, string x, string y, IEnumerable<Trace> traces, params (string Name, object Value)[] more)
    {
        Layout layout = With(
            new Layout(),
            ("title", Group(("text", title), ("font", Group(("size", 15))), ("x", 0.02))),
            ("margin", Group(("l", 60), ("r", 20), ("t", 50), ("b", 50))),
            ("font", Group(("family", "system-ui, sans-serif"), ("size", 12))),
            ("hovermode", "closest"),
            ("xaxis", Axis(x)),
            ("yaxis", Axis(y)));
        With(layout, more);
        GenericChart chart = GenericChart.setLayout(layout, GenericChart.ofTraceObjects(false, Microsoft.FSharp.Collections.ListModule.OfSeq(traces)));
        return GenericChart.setDisplayOptions(With(new DisplayOptions(), ("PlotlyJSReference", PlotlyJSReference.Full)), GenericChart.setConfig(With(new Config(), ("responsive", true), ("displaylogo", false)), chart));
    }

    /// <summary>An axis.</summary>
    internal static Attributes Axis(string title, params (string Name, object Value)[] more) =>
        Group([("title", Group(("text", title))), ("zeroline", false), ("gridcolor", "rgba(128,128,128,0.2)"), .. more]);

    /// <summary>Text from outside as plotly.js shows it literally: it takes a little markup for markup.</summary>
    internal static string Label(string text) =>
        VisibleText.Of(text).Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    private static T With<T>(T group, params (string Name, object Value)[] attributes)
        where T : Attributes
    {
        foreach ((string name, object value) in attributes) group.SetProperty(name, value);
        return group;
    }
}
