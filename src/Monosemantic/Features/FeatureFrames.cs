using System.Globalization;
using Microsoft.Data.Analysis;

namespace Monosemantic.Features;

/// <summary>Evidence as data frames.</summary>
internal static class FeatureFrames
{
    /// <summary>One row per unit, with the columns of the table features.</summary>
    internal static DataFrame Of(IReadOnlyCollection<UnitEvidence> units, string key, Func<int, string> text)
    {
        DataFrameColumn Number(string name, Func<UnitEvidence, double?> value) => new DoubleDataFrameColumn(name, units.Select(value));
        var frame = new DataFrame(
            new Int32DataFrameColumn(key, units.Select(unit => unit.Index)),
            new StringDataFrameColumn("top_tokens", units.Select(unit => string.Join(" | ", unit.Tokens.Take(5).Select(token => text(token.Token))))),
            new Int64DataFrameColumn("firings", units.Select(unit => unit.Firings)),
            Number("density", unit => unit.Density),
            Number("mean", unit => unit.Mean),
            Number("max", unit => unit.Max),
            Number("token_entropy", unit => unit.TokenEntropy));
        for (int i = 0; i < FeatureScanOptions.QuantileLevels.Length; i++)
        {
            int level = i;
            frame.Columns.Add(Number(IndexTables.QuantileName(FeatureScanOptions.QuantileLevels[i]), unit => unit.Quantiles.Length > level ? unit.Quantiles[level] : null));
        }
        frame.Columns.Add(Number("purity", unit => unit.Purity));
        frame.Columns.Add(Number("decile_consistency", unit => unit.DecileConsistency));
        frame.Columns.Add(Number("token_predictability", unit => unit.TokenPredictability));
        frame.Columns.Add(Number("context_predictability", unit => unit.ContextPredictability));
        frame.Columns.Add(Number("ablation_loss", unit => unit.AblationLoss));
        frame.Columns.Add(Number("map_x", unit => unit.Map?.X));
        frame.Columns.Add(Number("map_y", unit => unit.Map?.Y));
        return frame;
    }

    /// <summary>A column of whatever type all its values have.</summary>
    internal static DataFrameColumn Column(string name, IReadOnlyList<object?> values)
    {
        Type[] types = [.. values.OfType<object>().Select(value => value.GetType()).Distinct()];
        if (types.Length > 0 && types.All(type => type == typeof(int) || type == typeof(long))) return new Int64DataFrameColumn(name, values.Select(value => value is null ? null : (long?)Convert.ToInt64(value, CultureInfo.InvariantCulture)));
        if (types.Length > 0 && types.All(IsNumber)) return new DoubleDataFrameColumn(name, values.Select(value => value is null ? null : (double?)ToDouble(value)));
        if (types.Length == 1 && types[0] == typeof(bool)) return new BooleanDataFrameColumn(name, values.Select(value => (bool?)value));
        return new StringDataFrameColumn(name, values.Select(value => value is null ? null : Convert.ToString(value, CultureInfo.InvariantCulture)));
    }

    private static bool IsNumber(Type type) => type.IsPrimitive && type != typeof(bool) && type != typeof(char) || type == typeof(decimal) || type == typeof(System.Numerics.BigInteger);

    private static double ToDouble(object value) => value is System.Numerics.BigInteger big ? (double)big : Convert.ToDouble(value, CultureInfo.InvariantCulture);
}
