using System.Collections.Immutable;
using System.Numerics.Tensors;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Probing;

/// <summary>How one score is spread over units of one kind.</summary>
/// <param name="Score">Its name.</param>
/// <param name="Kind">What is scored: <c>features</c>, <c>neurons</c> or <c>random_directions</c>.</param>
/// <param name="Median">Median over the units, with an interval from resampling units.</param>
/// <param name="Values">The score of each unit, ascending; those that have none are left out.</param>
public sealed record ScoreDistribution(string Score, string Kind, MetricValue Median, ImmutableArray<double> Values);

/// <summary>What can be said of a unit without asking anybody what it means.</summary>
/// <param name="Definitions">What each score is, by name.</param>
/// <param name="Distributions">Each score of each kind of unit.</param>
public sealed record UnitScoreResult(IReadOnlyDictionary<string, string> Definitions, ImmutableArray<ScoreDistribution> Distributions)
{
    /// <summary>The scores of every feature that fires often enough, by index.</summary>
    public ImmutableArray<FeatureScores> Features { get; init; } = [];

    /// <summary>
    /// The scores of every raw neuron that fires often enough, by index, when it fires where it is among the k largest of a token
    /// (see <see cref="NeuronBasis"/>), as a scan has it, and not, as in <see cref="Distributions"/>, as often as a feature.
    /// </summary>
    public ImmutableArray<NeuronScores> Neurons { get; init; } = [];
}

/// <summary>The scores of one feature; null where one is undefined.</summary>
/// <param name="Feature">Its index.</param>
/// <param name="TokenEntropy">Bits.</param>
/// <param name="Purity">Largest share of its firings on one token id.</param>
/// <param name="TokenPredictability">Share of the entropy of firing that the token explains.</param>
/// <param name="ContextPredictability">Share that the token and the two before it explain.</param>
/// <param name="DecileConsistency">Overlap of weaker firings' tokens with the strongest ones'.</param>
public sealed record FeatureScores(int Feature, double? TokenEntropy, double? Purity, double? TokenPredictability, double? ContextPredictability, double? DecileConsistency);

/// <summary>The scores of one raw neuron; null where one is undefined.</summary>
/// <param name="Neuron">Its index.</param>
/// <param name="TokenEntropy">Bits.</param>
/// <param name="Purity">Largest share of its firings on one token id.</param>
/// <param name="TokenPredictability">Share of the entropy of firing that the token explains.</param>
/// <param name="ContextPredictability">Share that the token and the two before it explain.</param>
/// <param name="DecileConsistency">Overlap of weaker firings' tokens with the strongest ones'.</param>
public sealed record NeuronScores(int Neuron, double? TokenEntropy, double? Purity, double? TokenPredictability, double? ContextPredictability, double? DecileConsistency);

/// <summary>
/// Scores of features beside those of neurons and of random directions, all made to fire equally often.
/// <code>
/// token_entropy: -sum_v m_v log2 m_v, m_v the share of the unit's activation on tokens of id v
/// purity: largest share of the unit's firings on one token id
/// predictability: 1 - H(fires | n-gram) / H(fires), in held-out cross-entropy; the n-gram model backs off to shorter ones
/// decile_consistency: mean over the nine lower deciles of activation of sum_v min(p_v, q_v), q the token shares in the top decile
/// </code>
/// </summary>
/// <remarks>
/// A unit that fires more often has more tokens to fire on, so counts are matched: a neuron or a direction fires on as many rows as
/// one of the features, those with its largest deviation from the mean.
/// </remarks>
internal sealed class UnitScores
{
    private const int MostUnits = 192, LeastFirings = 50, Resamples = 1000;
    private const long Seed = 13;

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
    [
        new("token_entropy", "bits", Better.Lower, "median over units of -sum_v m_v log2 m_v, m_v the share of the unit's activation on tokens of id v", "no unit fires on 50 rows"),
        new("purity", "", Better.Higher, "median over units of the largest share of a unit's firings on one token id", "no unit fires on 50 rows"),
        new("token_predictability", "", Better.Neither, "median over units of the share of the entropy of firing that the token explains, on held-out rows; 1 is a trivial unit", "no unit fires on held-out rows"),
        new("context_predictability", "", Better.Neither, "the same, by the token and the two before it; what it has over token_predictability is context", "no unit fires on held-out rows"),
        new("decile_consistency", "", Better.Higher, "median over units of the mean overlap of the tokens in each lower decile of activation with those in the top decile", "no unit fires on 50 rows"),
    ];

    private readonly ProbeRows train, test;
    private readonly int[] tokens;
    private readonly FiringNgrams ngrams;

    private UnitScores(ProbeRows train, ProbeRows test, ProbeText text)
    {
        (this.train, this.test) = (train, test);
        tokens = [.. train.Tokens, .. test.Tokens];
        ngrams = new FiringNgrams(train, test, text);
    }

    /// <summary>Scores the features, and of neurons and random directions as many as a sample of the features.</summary>
    /// <param name="train">Training rows; n-gram models are fitted to them.</param>
    /// <param name="test">Held-out rows.</param>
    /// <param name="text">The text of both.</param>
    /// <param name="mean">Mean of the store [d_model].</param>
    /// <param name="neurons">When a neuron fires that is scored by itself.</param>
    /// <param name="progress">Told after each kind.</param>
    /// <param name="cancellation">Stops between units.</param>
    internal static UnitScoreResult Measure(ProbeRows train, ProbeRows test, ProbeText text, IReadOnlyList<double> mean, NeuronBasis neurons, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var scores = new UnitScores(train, test, text);
        (int Unit, Firings Firings)[] often = scores.Often(train.Code, test.Code);
        int sampled = Math.Min(MostUnits, often.Length);
        int[] sample = [.. Enumerable.Range(0, sampled).Select(i => (int)((long)i * often.Length / sampled))];
        double[][] all = scores.Of(often, cancellation);
        Firings[] features = [.. sample.Select(i => often[i].Firings)];
        int[] counts = [.. features.Select(unit => unit.Rows.Length)];
        float[] centre = [.. mean.Select(value => (float)value)];
        var distributions = new List<ScoreDistribution>();
        foreach ((string kind, int number, Func<int, Firings> firings) in new (string, int, Func<int, Firings>)[]
        {
            ("features", features.Length, unit => features[unit]),
            ("neurons", counts.Length == 0 ? 0 : Math.Min(MostUnits, train.DModel), unit => scores.Strongest(Axis(unit * train.DModel / Math.Min(MostUnits, train.DModel), train.DModel), centre, counts[unit % counts.Length])),
            ("random_directions", counts.Length, unit => scores.Strongest(Direction(unit, train.DModel), centre, counts[unit])),
        })
        {
            double[][] found = new double[number][];
            Parallel.For(0, number, new ParallelOptions { CancellationToken = cancellation }, unit => found[unit] = kind == "features" ? all[sample[unit]] : scores.Of(firings(unit)));
            distributions.AddRange(scores.Distributions(kind, found));
            progress?.Report(new("score", distributions.Count, 3 * Definitions.Length, "distributions", kind));
        }
        return new(Definitions.ToDictionary(definition => definition.Name, definition => definition.Formula), [.. distributions])
        {
            Features = [.. often.Zip(all, (unit, found) => (unit.Unit, Of: Rounded(found))).Select(unit => new FeatureScores(unit.Unit, unit.Of[0], unit.Of[1], unit.Of[2], unit.Of[3], unit.Of[4]))],
            Neurons = scores.Neurons(neurons, cancellation),
        };
    }

    /// <summary>Rows on which a unit fires, in ascending order, and how strongly.</summary>
    internal sealed record Firings(int[] Rows, float[] Values);

    private static double?[] Rounded(double[] scores) => [.. scores.Select(score => double.IsFinite(score) ? Math.Round(score, 6) : (double?)null)];

    private ImmutableArray<NeuronScores> Neurons(NeuronBasis neurons, CancellationToken cancellation)
    {
        SparseCode Code(ProbeRows part) => neurons.Encode(part.X.AsSpan(0, part.Rows * part.DModel), part.Rows);
        (int Unit, Firings Firings)[] often = Often(Code(train), Code(test));
        return [.. often.Zip(Of(often, cancellation), (unit, found) => (unit.Unit, Of: Rounded(found))).Select(unit => new NeuronScores(unit.Unit, unit.Of[0], unit.Of[1], unit.Of[2], unit.Of[3], unit.Of[4]))];
    }

    private double[][] Of((int Unit, Firings Firings)[] units, CancellationToken cancellation)
    {
        double[][] all = new double[units.Length][];
        Parallel.For(0, units.Length, new ParallelOptions { CancellationToken = cancellation }, i => all[i] = Of(units[i].Firings));
        return all;
    }

    // Those units of a code that fire often enough.
    private (int Unit, Firings Firings)[] Often(SparseCode training, SparseCode heldOut)
    {
        var rows = new List<int>[training.DSae];
        var values = new List<float>[training.DSae];
        Collect(training, 0);
        Collect(heldOut, train.Rows);
        return [.. Enumerable.Range(0, rows.Length).Where(unit => rows[unit]?.Count >= LeastFirings).Select(unit => (unit, new Firings([.. rows[unit]], [.. values[unit]])))];

        void Collect(SparseCode code, int first)
        {
            for (int row = 0; row < code.Rows; row++)
            {
                ReadOnlySpan<int> fired = code.FeaturesOf(row);
                for (int i = 0; i < fired.Length; i++)
                {
                    (rows[fired[i]] ??= []).Add(first + row);
                    (values[fired[i]] ??= []).Add(code.ValuesOf(row)[i]);
                }
            }
        }
    }

    private Firings Strongest(float[] direction, float[] centre, int count)
    {
        float offset = TensorPrimitives.Dot(direction, centre);
        float[] along = new float[tokens.Length];
        for (int row = 0; row < along.Length; row++) along[row] = TensorPrimitives.Dot(row < train.Rows ? train.Row(row) : test.Row(row - train.Rows), direction) - offset;
        int[] order = [.. Enumerable.Range(0, along.Length).OrderByDescending(row => along[row]).Take(count).Where(row => along[row] > 0).Order()];
        return new(order, [.. order.Select(row => along[row])]);
    }

    private static float[] Axis(int at, int width)
    {
        float[] axis = new float[width];
        axis[at] = 1;
        return axis;
    }

    private static float[] Direction(int unit, int width)
    {
        var random = new SeededRandom(Seed, unit);
        float[] direction = [.. Enumerable.Range(0, width).Select(_ => (float)random.NextNormal())];
        TensorPrimitives.Divide(direction, TensorPrimitives.Norm<float>(direction), direction);
        return direction;
    }

    private double[] Of(Firings unit)
    {
        if (unit.Rows.Length == 0) return [.. Definitions.Select(_ => double.NaN)];
        (double token, double context) = ngrams.Explained(unit.Rows);
        int[] fired = [.. unit.Rows.Select(row => tokens[row])];
        return [TokenScores.Entropy(fired, unit.Values), TokenScores.Purity(fired), token, context, TokenScores.DecileConsistency(fired, unit.Values)];
    }

    private IEnumerable<ScoreDistribution> Distributions(string kind, double[][] units)
    {
        for (int i = 0; i < Definitions.Length; i++)
        {
            double[] values = [.. units.Select(unit => unit[i]).Where(double.IsFinite).Order()];
            MetricDefinition definition = Definitions[i] with { Name = $"{kind}_{Definitions[i].Name}" };
            double median = values.Length > 0 ? Quantiles.Of(values, 0.5) : double.NaN;
            Interval interval = values.Length < 2 ? Interval.None("fewer than two units have the score") : Interval.Of(Resampled(values));
            yield return new(Definitions[i].Name, kind, MetricValue.Of(definition, median, tokens.Length, i is 2 or 3 ? "held_out" : "training and held_out", interval), [.. values.Select(value => Math.Round(value, 6))]);
        }
    }

    // Units, not documents, are the sample here: they stand for the rest of the dictionary.
    private static double[] Resampled(double[] values)
    {
        var random = new SeededRandom(Seed, 1 << 20);
        double[] drawn = new double[values.Length];
        return [.. Enumerable.Range(0, Resamples).Select(_ =>
        {
            for (int i = 0; i < drawn.Length; i++) drawn[i] = values[random.Next(values.Length)];
            Array.Sort(drawn);
            return Quantiles.Of(drawn, 0.5);
        })];
    }
}

/// <summary>Scores that follow from the tokens that a unit fires on; see <see cref="UnitScores"/>.</summary>
internal static class TokenScores
{
    private const int Deciles = 10;

    internal static double Entropy(int[] tokens, float[] values)
    {
        double total = values.Sum(value => (double)value);
        return tokens.Zip(values).GroupBy(pair => pair.First, pair => (double)pair.Second).Select(group => group.Sum() / total).Where(share => share > 0).Sum(share => -share * Math.Log2(share));
    }

    internal static double Purity(int[] tokens) => tokens.CountBy(token => token).Max(pair => pair.Value) / (double)tokens.Length;

    /// <summary>NaN with fewer than 2 firings to a decile.</summary>
    internal static double DecileConsistency(int[] tokens, float[] values)
    {
        if (tokens.Length < 2 * Deciles) return double.NaN;
        ulong[] keys = new ulong[tokens.Length];
        for (int i = 0; i < keys.Length; i++) keys[i] = RankOrder.Key(values[i], i);
        Array.Sort(keys);
        int[] ordered = new int[tokens.Length];
        for (int i = 0; i < ordered.Length; i++) ordered[i] = tokens[RankOrder.IndexOf(keys[^(i + 1)])];
        ReadOnlySpan<int> top = Sorted(ordered, 0);
        double overlaps = 0;
        for (int decile = 1; decile < Deciles; decile++) overlaps += Overlap(top, Sorted(ordered, decile));
        return overlaps / (Deciles - 1);
    }

    // The tokens of one decile, by id.
    private static Span<int> Sorted(int[] ordered, int decile)
    {
        Span<int> tokens = ordered.AsSpan((decile * ordered.Length / Deciles)..((decile + 1) * ordered.Length / Deciles));
        tokens.Sort();
        return tokens;
    }

    // The sum over tokens of the lesser of its shares in both.
    private static double Overlap(ReadOnlySpan<int> first, ReadOnlySpan<int> second)
    {
        double overlap = 0;
        for (int i = 0, j = 0; i < first.Length && j < second.Length;)
        {
            int token = Math.Min(first[i], second[j]), inFirst = 0, inSecond = 0;
            for (; i < first.Length && first[i] == token; i++) inFirst++;
            for (; j < second.Length && second[j] == token; j++) inSecond++;
            overlap += Math.Min((double)inFirst / first.Length, (double)inSecond / second.Length);
        }
        return overlap;
    }
}
