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
        FiringEvidence[] drawn = [.. fired.OrderBy(i => Priority(unit, i)).Take(options.Sample).Order().Select(i => new FiringEvidence(data.Documents[kept[i]], data.Positions[kept[i]], data.Tokens[kept[i]], Value(i, unit)))];
        return new UnitEvidence
        {
            Purity = fired.Length == 0 ? null : tokens.Max(token => token.Evidence.Count) / (double)fired.Length,
            DecileConsistency = Consistency(drawn),
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
            Quantiles = fired.Length == 0 ? [] : [.. FeatureScanOptions.QuantileLevels.Select(level => Middle(unit, fired, level))],
            Groups = fired.Length == 0 ? [] : [.. Groups(unit, fired)],
            Sample = [.. drawn],
        };
    }

    // Token by token: the share it has in a tenth, and in the top tenth, whichever is less.
    private static double? Consistency(FiringEvidence[] drawn)
    {
        if (drawn.Length < 20) return null;
        int[] ordered = [.. drawn.Select((firing, i) => (firing, i)).OrderByDescending(pair => pair.firing.Activation).ThenBy(pair => pair.i).Select(pair => pair.firing.Token)];
        int[][] tenths = [.. Enumerable.Range(0, 10).Select(i => ordered[(i * ordered.Length / 10)..((i + 1) * ordered.Length / 10)])];
        double Share(int[] tenth, int token) => tenth.Count(one => one == token) / (double)tenth.Length;
        return tenths.Skip(1).Average(tenth => tenth.Distinct().Sum(token => Math.Min(Share(tenth, token), Share(tenths[0], token))));
    }

    /// <summary>Other units that fire with a unit, from dense columns: highest correlation first, then most often together.</summary>
    internal NeighbourEvidence[] Partners(int unit)
    {
        double[][] columns = [.. Enumerable.Range(0, data.Units).Select(other => Enumerable.Range(0, kept.Length).Select(i => (double)Value(i, other)).ToArray())];
        (int Other, long Together)[] partners = [.. Enumerable.Range(0, data.Units).Where(other => other != unit).Select(other => (other, (long)columns[unit].Zip(columns[other]).Count(pair => pair.First > 0 && pair.Second > 0))).Where(pair => pair.Item2 > 0)];
        var correlated = partners.Select(pair => new NeighbourEvidence(Relation.Correlation, UnitKind.Feature, pair.Other, Pearson(columns[unit], columns[pair.Other]), pair.Together))
            .OrderByDescending(neighbour => neighbour.Value).ThenBy(neighbour => neighbour.Index).Take(options.Neighbours);
        var together = partners.OrderByDescending(pair => pair.Together).ThenBy(pair => pair.Other).Take(options.Neighbours)
            .Select(pair => new NeighbourEvidence(Relation.CoFiring, UnitKind.Feature, pair.Other, (double)pair.Together / columns[unit].Count(value => value > 0), pair.Together));
        return [.. correlated, .. together];
    }

    /// <summary>Pearson's r by its definition.</summary>
    internal static double Pearson(double[] x, double[] y)
    {
        double mx = x.Average(), my = y.Average();
        return x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / Math.Sqrt(x.Sum(a => (a - mx) * (a - mx)) * y.Sum(b => (b - my) * (b - my)));
    }

    /// <summary>Firings with low &lt;= log10 f &lt; high, by the logarithm itself.</summary>
    internal long FiringsBetween(int unit, double low, double high) =>
        kept.Count(row => data.Activations[row][unit] > 0 && Math.Log10(data.Activations[row][unit]) is var log && log >= low && log < high);

    private float Value(int i, int unit) => data.Activations[kept[i]][unit];

    private ulong Priority(int unit, int i) => RandomDraws.PriorityOf(options.Seed, unit, data.Documents[kept[i]], data.Positions[kept[i]]);

    // The value that a share of the firings does not exceed, by sorting.
    private float At(int unit, int[] fired, double share) => fired.Select(i => Value(i, unit)).Order().ElementAt(Math.Max(1, (int)Math.Ceiling(share * fired.Length)) - 1);

    // 32 equal steps between powers of two.
    private static (double Low, double High) Step(float value)
    {
        double power = Math.Pow(2, Math.Floor(Math.Log2(value))), low = power + (Math.Floor((value - power) / power * 32) * power / 32);
        return (low, low + (power / 32));
    }

    private double Middle(int unit, int[] fired, double share)
    {
        (double low, double high) = Step(At(unit, fired, share));
        return Math.Clamp((low + high) / 2, fired.Min(i => Value(i, unit)), fired.Max(i => Value(i, unit)));
    }

    private IEnumerable<ContextGroup> Groups(int unit, int[] fired)
    {
        ContextEvidence[] drawn = [.. fired.OrderBy(i => Priority(unit, i)).DistinctBy(SameText).Take(options.GroupSample).Select(i => ContextOf(i, unit))];
        double[] bounds = [0, .. Enumerable.Range(1, 5).Select(i => Step(At(unit, fired, i / 5.0)).High).Distinct()];
        foreach ((double low, double high) in bounds.Zip(bounds.Skip(1)).Reverse())
        {
            float[] inside = [.. fired.Select(i => Value(i, unit)).Where(value => value >= low && value < high)];
            ContextEvidence[] members = [.. drawn.Where(context => context.Activations[context.Peak] is var value && value >= low && value < high).Take(options.GroupContexts)];
            if (members.Length == 0) continue;
            double least = fired.Min(i => Value(i, unit)), most = fired.Max(i => Value(i, unit));
            yield return new(low == 0 ? least : Math.Max(low, least), Math.Min(high, most), (double)inside.Length / fired.Length, [.. members.OrderByDescending(context => context.Activations[context.Peak]).ThenBy(context => context.Document).ThenBy(context => context.Start + context.Peak)]);
        }
    }

    private string SameText(int peak) =>
        string.Join(",", Stretch(peak, options.SameTextBefore, options.SameTextAfter, within: true).Select(i => data.Tokens[kept[i]]));

    private ContextEvidence ContextOf(int peak, int unit)
    {
        int[] stretch = [.. Stretch(peak, options.Before, options.After, within: false)];
        return new(data.Documents[kept[peak]], data.Positions[kept[stretch[0]]], peak - stretch[0], [.. stretch.Select(i => data.Tokens[kept[i]])], [.. stretch.Select(i => Value(i, unit))]);
    }

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
            yield return ContextOf(peak, unit);
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
