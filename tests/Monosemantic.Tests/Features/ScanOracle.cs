using Monosemantic.Features;

namespace Monosemantic.Tests.Features;

/// <summary>The scan's definitions carried out literally on all rows at once: the second way to compute.</summary>
internal sealed class ScanOracle(ScanData data, FeatureScanOptions options)
{
    private readonly int[] kept = [.. Enumerable.Range(0, data.Rows).Where(row => data.Positions[row] >= 0)];

    internal UnitEvidence Evidence(int unit)
    {
        int[] fired = [.. Enumerable.Range(0, kept.Length).Where(i => Value(i, unit) > 0)];
        double total = fired.Sum(i => (double)Value(i, unit));
        var tokens = fired.GroupBy(i => data.Tokens[kept[i]]).Select(group => new
        {
            Token = group.Key,
            Sum = group.Sum(i => (double)Value(i, unit)),
            Evidence = new TokenEvidence(group.Key, group.Count(), kept.Count(row => data.Tokens[row] == group.Key), group.Sum(i => (double)Value(i, unit)) / group.Count(), group.Max(i => Value(i, unit))),
        }).OrderByDescending(token => token.Sum).ThenBy(token => token.Token).ToArray();
        return new UnitEvidence
        {
            Kind = UnitKind.Feature,
            Index = unit,
            Firings = fired.Length,
            Density = kept.Length == 0 ? 0 : (double)fired.Length / kept.Length,
            Mean = fired.Length == 0 ? 0 : total / fired.Length,
            Max = fired.Length == 0 ? 0 : fired.Max(i => Value(i, unit)),
            TokenEntropy = fired.Length == 0 ? null : -tokens.Sum(token => token.Sum / total * Math.Log2(token.Sum / total)),
            Histogram = [],
            HistogramLow = 0,
            HistogramHigh = 0,
            Tokens = [.. tokens.Take(options.Tokens).Select(token => token.Evidence)],
            Contexts = [.. Contexts(unit, fired)],
            Promoted = [],
            Suppressed = [],
        };
    }

    /// <summary>Firings with low &lt;= log10 f &lt; high, by the logarithm itself.</summary>
    internal long FiringsBetween(int unit, double low, double high) =>
        kept.Count(row => data.Activations[row][unit] > 0 && Math.Log10(data.Activations[row][unit]) is var log && log >= low && log < high);

    private float Value(int i, int unit) => data.Activations[kept[i]][unit];

    private IEnumerable<ContextEvidence> Contexts(int unit, int[] fired)
    {
        var candidates = fired
            .Where(i => fired.All(j => j == i || !Overlap(i, j) || Value(j, unit) < Value(i, unit) || (Value(j, unit) == Value(i, unit) && j > i)))
            .OrderByDescending(i => Value(i, unit)).ThenBy(i => data.Documents[kept[i]]).ThenBy(i => data.Positions[kept[i]]);
        var texts = new HashSet<string>();
        int count = 0;
        foreach (int peak in candidates)
        {
            string text = string.Join(",", Stretch(peak, options.SameTextBefore, options.SameTextAfter, within: true).Select(i => data.Tokens[kept[i]]));
            if (count == options.Contexts || !texts.Add(text)) continue;
            count++;
            int[] stretch = [.. Stretch(peak, options.Before, options.After, within: false)];
            yield return new(data.Documents[kept[peak]], data.Positions[kept[stretch[0]]], peak - stretch[0], [.. stretch.Select(i => data.Tokens[kept[i]])], [.. stretch.Select(i => Value(i, unit))]);
        }
    }

    private bool Overlap(int i, int j) => Math.Abs(i - j) <= options.Before + options.After && SameRun(i, j);

    // Of one document, and nothing missing in between.
    private bool SameRun(int i, int j) =>
        data.Documents[kept[i]] == data.Documents[kept[j]] && data.Positions[kept[j]] - data.Positions[kept[i]] == j - i
        && Enumerable.Range(Math.Min(i, j), Math.Abs(i - j)).All(n => data.Positions[kept[n + 1]] == data.Positions[kept[n]] + 1);

    private IEnumerable<int> Stretch(int peak, int before, int after, bool within)
    {
        int left = within ? Math.Min(before, options.Before) : before, right = within ? Math.Min(after, options.After) : after;
        return Enumerable.Range(peak - left, left + right + 1).Where(i => i >= 0 && i < kept.Length && SameRun(peak, i));
    }
}
