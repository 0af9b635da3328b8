using System.Collections.Immutable;
using System.Numerics.Tensors;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Probing;

/// <summary>Spelling of one letter.</summary>
/// <param name="Letter">The letter.</param>
/// <param name="TestWords">Held-out words that begin with it.</param>
/// <param name="ProbeF1">F1 of the probe on the whole activation.</param>
/// <param name="FeaturesF1">F1 of the probe on the letter's main features; null where it was not looked for.</param>
/// <param name="MainFeatures">The features that spell it; more than one is feature splitting.</param>
/// <param name="Undefined">Why the letter does not count; null where it does.</param>
public sealed record LetterResult(string Letter, int TestWords, double? ProbeF1, double? FeaturesF1, ImmutableArray<int> MainFeatures, string? Undefined);

/// <summary>First-letter spelling and feature absorption.</summary>
/// <param name="Numbers">The scores, means over letters.</param>
/// <param name="Letters">Each letter.</param>
public sealed record FirstLetterResult(IReadOnlyDictionary<string, MetricValue> Numbers, ImmutableArray<LetterResult> Letters);

/// <summary>
/// Whether a feature that stands for "begins with s" stays silent on some words that do, because a feature of that word took its
/// part over. Source: Chanin et al. 2024 (A is for Absorption); SAEBench absorption.
/// <code>
/// p: unit direction of a letter's probe     P = (x - b_dec) . p     proj_i = f_i (W_dec_i . p)     main = sum of proj over main features
/// A = min(sum of the 3 largest proj > 0 with cos(W_dec_i, p) >= 0.1 that are not main, P - main)
/// fraction = 0 where main >= P or that sum is below 0.4 P; 1 where main is not above 0 otherwise; else A / (A + main)
/// full = all main features silent, and the largest proj of any feature >= 0.4 P with cos >= 0.025, and P > 0
/// </code>
/// </summary>
/// <remarks>
/// SAEBench spells through a prompt; here the activation is the one at the word itself, a token that is a whole word, so that small
/// models can be asked. Main features: the k whose mean rises most, while one more raises the F1 of a probe on them by over 0.03.
/// A letter counts with a probe of F1 above 0.6 and 20 held-out words. P is taken from b_dec, which is what features add up to.
/// </remarks>
internal sealed class FirstLetters
{
    private const int MostWords = 6000, LeastWords = 20, MostSplits = 10, LeastLetters = 5;
    private const double LeastF1 = 0.6, Gain = 0.03, LeastShare = 0.4;
    private const string TooFew = "fewer than 5 letters have a probe with an F1 above 0.6 on at least 20 held-out words";

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
    [
        new("first_letter_probe_f1", "", Better.Higher, "mean over letters that count of the F1 of a logistic probe on x", TooFew),
        new("first_letter_features_f1", "", Better.Higher, "the same of a probe on the letter's main features alone", TooFew),
        new("absorption_fraction", "", Better.Lower, "mean over letters of the mean over words of the share of the probe's projection that other features carry", TooFew),
        new("absorption_full", "", Better.Lower, "mean over letters of the share of words on which all main features are silent and one other feature carries at least 0.4 of the projection", TooFew),
        new("split_features", "features per letter", Better.Lower, "mean over letters of the number of main features, less 1", TooFew),
    ];

    private static readonly string[] FromTraining = ["first_letter_probe_f1", "first_letter_features_f1", "split_features"];

    private readonly SparseAutoencoder sae;
    private readonly float[] decoder, bias;
    private readonly Spelled train, test;

    private FirstLetters(SparseAutoencoder sae, Spelled train, Spelled test)
    {
        (this.sae, this.train, this.test) = (sae, train, test);
        decoder = TensorMemory.Floats(sae.WDec.contiguous()).ToArray();
        bias = TensorMemory.Floats(sae.BDec.contiguous()).ToArray();
    }

    /// <summary>Measures every letter.</summary>
    internal static FirstLetterResult Measure(SparseAutoencoder sae, ProbeRows train, ProbeRows test, ProbeText text, CancellationToken cancellation)
    {
        var letters = new FirstLetters(sae, Spelled.Of(train, text, MostWords, 1), Spelled.Of(test, text, MostWords, 2));
        var outcomes = new Outcome[26];
        Parallel.For(0, 26, new ParallelOptions { CancellationToken = cancellation }, letter => outcomes[letter] = letters.Letter((char)('a' + letter)));
        return new(Numbers(outcomes), [.. outcomes.Select(outcome => outcome.Result)]);
    }

    private Outcome Letter(char letter)
    {
        bool[] wanted = train.Labels(letter), expected = test.Labels(letter);
        int words = expected.Count(label => label), learnt = wanted.Count(label => label);
        if (learnt < LeastWords || words < LeastWords) return Refused($"{learnt:N0} training words and {words:N0} held-out ones begin with it; {LeastWords} of each are needed");
        LogisticProbe probe = LogisticProbe.Fit(train.X, wanted, balanced: true);
        bool[] answers = [.. Enumerable.Range(0, test.Count).Select(i => probe.Score(test.Row(i)) > 0)];
        double f1 = F1(answers, expected);
        if (!(f1 > LeastF1)) return Refused($"the F1 of its probe is {f1:F2}; it must be above {LeastF1}", f1);
        (int[] main, LogisticProbe reader) = MainFeatures(wanted);
        float[] columns = test.Examples.Columns(test.Chosen, main, features: true);
        bool[] read = [.. Enumerable.Range(0, test.Count).Select(i => reader.Score(columns.AsSpan(i * main.Length, main.Length)) > 0)];
        var result = new LetterResult(letter.ToString(), words, f1, F1(read, expected), [.. main], null);
        return new(result, Absorption(probe, main, Enumerable.Range(0, test.Count).Where(i => expected[i] && answers[i])));

        Outcome Refused(string reason, double? found = null) => new(new(letter.ToString(), words, found, null, [], reason), []);
    }

    private (int[] Main, LogisticProbe Reader) MainFeatures(bool[] wanted)
    {
        bool[] all = new bool[train.Examples.Documents.Length];
        for (int i = 0; i < wanted.Length; i++) all[train.Chosen[i]] = wanted[i];
        int[] candidates = train.Examples.MostDifferent(train.Chosen, all, MostSplits, features: true, risingOnly: true);
        int[] main = [];
        LogisticProbe? reader = null;
        double best = -100;
        for (int k = 1; k <= candidates.Length; k++)
        {
            int[] tried = candidates[..k];
            float[] columns = train.Examples.Columns(train.Chosen, tried, features: true);
            LogisticProbe probe = LogisticProbe.Fit(columns, wanted, balanced: true);
            double f1 = F1([.. Enumerable.Range(0, wanted.Length).Select(i => probe.Score(columns.AsSpan(i * k, k)) > 0)], wanted);
            if (!(f1 > best + Gain)) break;
            (main, reader, best) = (tried, probe, f1);
        }
        return (main, reader ?? LogisticProbe.Fit(new float[wanted.Length], wanted));
    }

    private List<(int Document, double Fraction, bool Full)> Absorption(LogisticProbe probe, int[] main, IEnumerable<int> words)
    {
        float[] direction = [.. probe.Weights];
        TensorPrimitives.Divide(direction, (float)Math.Max(1e-30, TensorPrimitives.Norm<float>(direction)), direction);
        var found = new List<(int, double, bool)>();
        foreach (int word in words)
        {
            double whole = TensorPrimitives.Dot(test.Row(word), direction) - (double)TensorPrimitives.Dot(bias, direction);
            (double fraction, bool full) = AbsorptionScore.Of(whole, Projections(test.Chosen[word], direction), main, LeastShare);
            found.Add((test.Examples.Documents[test.Chosen[word]], fraction, full));
        }
        return found;
    }

    private FeatureProjection[] Projections(int example, float[] direction)
    {
        SparseCode code = test.Examples.Code;
        int width = sae.Config.DModel;
        return [.. code.FeaturesOf(example).ToArray().Zip(code.ValuesOf(example).ToArray(), (feature, value) =>
        {
            ReadOnlySpan<float> row = decoder.AsSpan(feature * width, width);
            double along = TensorPrimitives.Dot(row, direction), norm = TensorPrimitives.Norm(row);
            return new FeatureProjection(feature, value * along, norm > 0 ? along / norm : 0);
        })];
    }

    // Per letter three sums (fraction, full, words), so that a resample of documents gives every rate again.
    private static Dictionary<string, MetricValue> Numbers(Outcome[] outcomes)
    {
        Outcome[] counted = [.. outcomes.Where(outcome => outcome.Result.Undefined is null && outcome.Words.Count > 0)];
        var bootstrap = new DocumentBootstrap(Math.Max(1, 3 * counted.Length));
        foreach (var document in counted.SelectMany((outcome, letter) => outcome.Words.Select(word => (letter, word))).GroupBy(place => place.word.Document).OrderBy(group => group.Key))
        {
            double[] sums = new double[3 * counted.Length];
            foreach ((int letter, (int Document, double Fraction, bool Full) word) in document)
            {
                sums[3 * letter] += word.Fraction;
                sums[(3 * letter) + 1] += word.Full ? 1 : 0;
                sums[(3 * letter) + 2]++;
            }
            bootstrap.Add(document.Key, sums);
        }
        bool enough = counted.Length >= LeastLetters;
        double probe = counted.Select(outcome => outcome.Result.ProbeF1 ?? 0).DefaultIfEmpty(0).Average(), features = counted.Select(outcome => outcome.Result.FeaturesF1 ?? 0).DefaultIfEmpty(0).Average();
        double splits = counted.Select(outcome => outcome.Result.MainFeatures.Length - 1.0).DefaultIfEmpty(0).Average();
        Dictionary<string, MetricValue> numbers = new(bootstrap.Numbers(Definitions, sums => enough ? [probe, features, Rate(sums, 0), Rate(sums, 1), splits] : [.. Definitions.Select(_ => double.NaN)], counted.Sum(outcome => outcome.Words.Count), "held_out"));
        // These come from fits to training rows, which a resample of held-out documents does not make again.
        foreach (string name in FromTraining.Where(_ => enough)) numbers[name] = numbers[name] with { Low = null, High = null, NoInterval = "a mean over letters of numbers without intervals" };
        return counted.Length > 0 ? numbers : numbers.ToDictionary(pair => pair.Key, pair => pair.Value with { Undefined = TooFew });

        double Rate(ReadOnlySpan<double> sums, int which)
        {
            double total = 0, letters = 0;
            for (int letter = 0; letter < counted.Length; letter++)
            {
                double words = sums[(3 * letter) + 2];
                if (words > 0) (total, letters) = (total + (sums[(3 * letter) + which] / words), letters + 1);
            }
            return letters > 0 ? total / letters : double.NaN;
        }
    }

    private static double F1(bool[] answers, bool[] wanted)
    {
        int hits = answers.Zip(wanted).Count(pair => pair is (true, true)), wrong = answers.Zip(wanted).Count(pair => pair.First != pair.Second);
        return hits > 0 ? 2.0 * hits / ((2 * hits) + wrong) : 0;
    }

    /// <summary>A letter's numbers, and the words on which its probe is right: document, absorbed fraction, absorbed in full.</summary>
    private sealed record Outcome(LetterResult Result, List<(int Document, double Fraction, bool Full)> Words);

    /// <summary>Sampled tokens that are whole words, with their first letters.</summary>
    private sealed class Spelled
    {
        public required ProbeExamples Examples { get; init; }

        public required int[] Chosen { get; init; }

        public required char[] First { get; init; }

        public required float[] X { get; init; }

        public int Count => Chosen.Length;

        public ReadOnlySpan<float> Row(int word) => X.AsSpan(word * Examples.DModel, Examples.DModel);

        public bool[] Labels(char letter) => [.. First.Select(first => first == letter)];

        internal static Spelled Of(ProbeRows rows, ProbeText text, int most, long seed)
        {
            int[] words = [.. Enumerable.Range(0, rows.Rows).Where(row => text.Of(rows.Documents[row]).IsWholeWord(rows.Positions[row]))];
            new SeededRandom(seed).Shuffle(words.AsSpan());
            words = words[..Math.Min(words.Length, most)];
            ProbeExamples examples = ProbeExamples.OfTokens(rows);
            return new() { Examples = examples, Chosen = words, First = [.. words.Select(row => char.ToLowerInvariant(text.Of(rows.Documents[row]).Content(rows.Positions[row])[0]))], X = examples.Raw(words) };
        }
    }
}

/// <summary>What a feature that fires contributes along a direction.</summary>
/// <param name="Feature">The feature.</param>
/// <param name="Projection">f_i (W_dec_i . p).</param>
/// <param name="Cosine">cos(W_dec_i, p).</param>
internal readonly record struct FeatureProjection(int Feature, double Projection, double Cosine);

/// <summary>The absorption of one word; see <see cref="FirstLetters"/>.</summary>
internal static class AbsorptionScore
{
    private const double LeastCosine = 0.1, LeastFullCosine = 0.025;
    private const int Absorbers = 3;

    internal static (double Fraction, bool Full) Of(double whole, FeatureProjection[] fired, int[] main, double leastShare)
    {
        double carried = fired.Where(feature => main.Contains(feature.Feature)).Sum(feature => feature.Projection);
        FeatureProjection[] others = [.. fired.Where(feature => !main.Contains(feature.Feature))];
        FeatureProjection largest = others.OrderByDescending(feature => feature.Projection).FirstOrDefault();
        bool silent = others.Length == fired.Length;
        bool full = silent && whole > 0 && largest.Cosine >= LeastFullCosine && largest.Projection >= leastShare * whole;
        double taken = others.Where(feature => feature.Cosine >= LeastCosine && feature.Projection > 0).OrderByDescending(feature => feature.Projection).Take(Absorbers).Sum(feature => feature.Projection);
        if (carried >= whole || taken < leastShare * whole) return (0, full);
        if (carried <= 0) return (1, full);
        double absorbed = Math.Min(taken, whole - carried);
        return (absorbed / (absorbed + carried), full);
    }
}
