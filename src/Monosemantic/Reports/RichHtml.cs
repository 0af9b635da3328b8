using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Data.Analysis;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Reports.Charts;
using Monosemantic.Reports.Display;
using Monosemantic.Runtime;
using Plotly.NET;

namespace Monosemantic.Reports;

/// <summary>
/// The HTML of a value in a notebook: cards for features, tables for frames, records and numbers, still pictures for charts.
/// Styles stand inline and there is no script, so that it looks the same in every notebook viewer and on a code host.
/// </summary>
public static class RichHtml
{
    private const int MostRows = 20;

    /// <summary>The HTML of a value; null where it has no form of its own.</summary>
    /// <param name="value">Any value.</param>
    public static string? Of(object value) => Draw(value) is { } markup ? markup.ToString() : null;

    /// <summary>A chart as plotly.js takes it (data, layout, config): JSON for notebook viewers that draw charts themselves; null for anything else.</summary>
    /// <param name="value">Any value.</param>
    public static string? PlotlyJson(object value) => value is GenericChart chart ? ChartFigure.Of(chart).ToJsonString() : null;

#pragma warning disable CA2255 // Lower layers must be able to show themselves without knowing this one.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Register() => RichDisplay.Use(Of);

    private static Markup? Draw(object value) => value switch
    {
        FeatureView view => FeatureCard.Draw(view),
        FeatureIndex index => Index(index),
        EvaluationResult result => Evaluation(result),
        QueryResult result => Table([.. result.Columns], [.. result.Rows.Take(MostRows).Select(row => row.ToArray())], result.Rows.Length),
        DataFrame frame => Table([.. frame.Columns.Select(column => column.Name)], [.. Enumerable.Range(0, (int)Math.Min(MostRows, frame.Rows.Count)).Select(row => frame.Columns.Select(column => column[row]).ToArray())], frame.Rows.Count),
        GenericChart chart => ChartPicture.Of(chart),
        _ when IsOurs(value.GetType()) => Record(value),
        IEnumerable rows when RecordsOf(rows) is { } records => Records(records),
        _ => null,
    };

    private static Markup Index(FeatureIndex index) => Markup.Of($"""
        <div><p><b>{index.Card.Model}</b>, {index.Card.HookPoint}: {Numbers.Count(index.Features.Length)} features{(index.Neurons.IsEmpty ? "" : $", {Numbers.Count(index.Neurons.Length)} neurons")} on {Numbers.Count(index.Card.RowsScanned)} tokens of {index.Card.Corpus}</p>
        {Table(["feature", "density", "max", "tokens that fire it"], [.. index.Features.OrderByDescending(unit => unit.Max).Take(8).Select(unit => new object?[] { unit.Index, unit.Density, unit.Max, string.Join(" | ", unit.Tokens.Take(5).Select(token => index.TokenText(token.Token))) })], index.Features.Length)}</div>
        """);

    private static Markup Evaluation(EvaluationResult result) => result.Numbers.Count == 0 ? Record(result) : Markup.Of($"""
        <div><p>{Numbers.Count(result.Rows)} tokens, {result.Split.Replace('_', ' ')}</p>
        {Table(["number", "value", "95 % interval", "how it is computed"], [.. result.Numbers.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new object?[] { pair.Key, pair.Value.Value, pair.Value.Low is { } low ? $"{Numbers.Short(low)} to {Numbers.Short(pair.Value.High)}" : "", pair.Value.Formula })], result.Numbers.Count)}</div>
        """);

    // Names and values of a record's properties.
    private static Markup Record(object value)
    {
        PropertyInfo[] properties = [.. Shown(value.GetType())];
        return Table([value.GetType().Name, ""], [.. properties.Select(property => new object?[] { property.Name, property.GetValue(value) })], properties.Length, all: true);
    }

    private static Markup Records(object[] records)
    {
        PropertyInfo[] properties = [.. Shown(records[0].GetType()).Where(property => IsPlain(property.PropertyType))];
        return Table([.. properties.Select(property => property.Name)], [.. records.Take(MostRows).Select(record => properties.Select(property => property.GetValue(record)).ToArray())], records.Length);
    }

    private static Markup Table(string[] columns, object?[][] rows, long total, bool all = false)
    {
        const string Cell = "padding:2px 12px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.25)";
        string more = !all && total > rows.Length ? $"{Numbers.Count(rows.Length)} of {Numbers.Count(total)} rows" : "";
        return Markup.Of($"""
            <table style="border-collapse:collapse;font-size:13px"><thead><tr>{columns.Select(name => Markup.Of($"<th style=\"{Cell}\">{name}</th>"))}</tr></thead>
            <tbody>{rows.Select(row => Markup.Of($"<tr>{row.Select(value => Markup.Of($"<td style=\"{Cell}\">{Text(value)}</td>"))}</tr>\n"))}</tbody></table>{(more.Length > 0 ? Markup.Of($"<p><small>{more}</small></p>") : Markup.Empty)}
            """);
    }

    private static string Text(object? value) => value switch
    {
        null => Numbers.None,
        string text => text.Length <= 160 ? text : $"{text[..160]} …",
        double number => Numbers.Short(number),
        float number => Numbers.Short(number),
        int or long => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        bool flag => flag ? "yes" : "no",
        IDictionary pairs => $"{pairs.Count} entries",
        IEnumerable list => Listed([.. list.Cast<object?>()]),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) is { } text && text.Length <= 160 ? text : value.GetType().Name,
    };

    private static string Listed(object?[] values) => values.Length <= 8 && values.All(value => value is null || IsPlain(value.GetType()) || IsPair(value.GetType()))
        ? string.Join(", ", values.Select(value => value is not null && IsPair(value.GetType()) ? string.Join(' ', Shown(value.GetType()).Select(property => Text(property.GetValue(value)))) : Text(value)))
        : $"{Numbers.Count(values.Length)} values";

    // A record of a name and a number, such as a part of a loss.
    private static bool IsPair(Type type) => IsOurs(type) && Shown(type).Select(property => property.PropertyType).SequenceEqual([typeof(string), typeof(double)]);

    private static object[]? RecordsOf(IEnumerable rows)
    {
        object[] all = [.. rows.Cast<object?>().OfType<object>()];
        return all.Length > 0 && all.All(row => row.GetType() == all[0].GetType() && IsOurs(all[0].GetType())) ? all : null;
    }

    private static IEnumerable<PropertyInfo> Shown(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanRead && property.GetIndexParameters().Length == 0 && property.PropertyType.FullName?.StartsWith("TorchSharp", StringComparison.Ordinal) != true);

    // Records of this library: data without behaviour that reading a property could set off.
    private static bool IsOurs(Type type) => type.Assembly == typeof(RichHtml).Assembly && type.GetMethod("<Clone>$") is not null;

    private static bool IsPlain(Type type) => Nullable.GetUnderlyingType(type) is { } inner ? IsPlain(inner) : type.IsPrimitive || type.IsEnum || type == typeof(string);
}
