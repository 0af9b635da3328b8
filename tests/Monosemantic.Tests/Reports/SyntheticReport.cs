using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Reports;

namespace Monosemantic.Tests.Reports;

/// <summary>Made-up evidence in the shape of a real scan, the same for the same seed; its vocabulary holds the worst tokens there are.</summary>
public static class SyntheticReport
{
    /// <summary>Tokens that try to be markup, script or invisible; their ids follow the ordinary words.</summary>
    public static readonly ImmutableArray<string> Hostile =
    [
        "<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "</script><script>window.pwned=1</script>", "\"><svg onload=window.pwned=1>",
        "' onmouseover='window.pwned=1", "<!--", "-->", "]]>", "{{7*7}}", "&lt;b&gt;", "\u2028", "\u2029", "\u202Eevil", "\u200B", "\u200F", "\u0000", "\u001B[31m", "\u0085",
        "\uD800", "\uDC00", "\uFEFF", "\u0301", "\n", "\r\n", "\t", "    ", " ", "", "__proto__", "constructor", "\\u003cscript", "\U000E0041", "שלום", "中文", "👩‍🔬",
    ];

    private static readonly string[] Words =
        "the of a to in is and returns value specified that type an for or from method object if string by be with this array current instance element when not contains represents collection number which index set can are exception property gets sets name parameter key bytes stream read write async task result default zero first last culture format".Split(' ');

    public static int WordCount => Words.Length * 2;

    public static int VocabularySize => WordCount + Hostile.Length;

    public static ReportData Make(int features = 300, int neurons = 64, int seed = 1, int contexts = 10, int contextLength = 25)
    {
        var random = new Random(seed);
        return new()
        {
            Title = "Features of a small model",
            Run = new()
            {
                Model = "sample-lm",
                ModelSha256 = new string('a', 64),
                HookPoint = "blocks.2.hook_resid_post",
                DModel = 128,
                DSae = features,
                K = 16,
                Corpus = ".NET reference documentation",
                TokensTrained = 4_000_000,
                RowsScanned = 1_234_567,
                Seed = 7,
                CodeVersion = "0.1.0",
                FeatureDefinition = "one direction of the dictionary",
                ActiveFeatures = [0, 0, 0, 10, 200, 3000, 90, 4],
                NeuronDefinition = "one dimension of blocks.1.mlp.hook_post; it fires where its value is above 0.",
                Evaluation = Evaluation(),
                LanguageModel = [new("Layers", "4"), new("Held-out cross-entropy", "2.31 nats per token"), new("Bits per byte", "0.94")],
                Provenance = [new("tokenizer", new string('b', 64)), new("activations", new string('c', 64)), new("dictionary", new string('d', 64))],
            },
            Features = [.. Enumerable.Range(0, features).Select(i => Surrounded(Unit(UnitKind.Feature, i, random, contexts, contextLength), features, neurons, contextLength, random))],
            Neurons = [.. Enumerable.Range(0, neurons).Select(i => Unit(UnitKind.Neuron, i, random, contexts, contextLength))],
            Vocabulary = Vocabulary(),
        };
    }

    public static ImmutableSortedDictionary<int, string> Vocabulary() => Words.SelectMany(w => new[] { " " + w, char.ToUpperInvariant(w[0]) + w[1..] })
        .Concat(Hostile).Select((text, id) => (id, text)).ToImmutableSortedDictionary(e => e.id, e => e.text);

    private static EvaluationResult Evaluation() => new()
    {
        Split = "held_out",
        Rows = 98_765,
        Fvu = 0.12345678,
        MsePerVector = 3.25,
        L0 = 15.875,
        DeadFraction = 0.0625,
        CosineSimilarity = 0.9371,
        CrossEntropy = new(2.31341, 2.43841, 7.31341, 0.975, 98_000),
        Numbers = new Dictionary<string, MetricValue> { ["fvu"] = Number(0.12345678, 0.1111, 0.1357), ["l0"] = Number(15.875, 15.875, 15.875), ["undefined_one"] = Number(null, null, null) },
        Baselines = [Baseline("dictionary", 0.1234, null), Baseline("pca", 0.4567, true), Baseline("<img src=x onerror=window.pwned=1>", 0.0123, false)],
    };

    private static BaselineResult Baseline(string name, double fvu, bool? beaten) => new()
    {
        Name = name,
        Description = "<script>window.pwned=1</script> as many numbers",
        Numbers = new Dictionary<string, MetricValue> { ["fvu"] = Number(fvu, fvu - 0.01, fvu + 0.01), ["cosine_similarity"] = Number(0.9, null, null) },
        Beaten = beaten,
    };

    private static MetricValue Number(double? value, double? low, double? high) => new()
    {
        Value = value,
        Low = low,
        High = high,
        Tokens = 98_765,
        Split = "held_out",
        Unit = "",
        Better = Better.Lower,
        Formula = "a / b < c",
        Undefined = value is null ? "nothing to divide by" : null,
    };

    private static UnitEvidence Unit(UnitKind kind, int index, Random random, int contexts, int length)
    {
        if (index % 41 == 40) return Silent(kind, index);
        bool feature = kind == UnitKind.Feature;
        double max = Math.Exp((random.NextDouble() * 3) - (feature ? 0 : 1));
        long firings = (long)Math.Exp(3 + (random.NextDouble() * 8));
        int[] favourites = [.. Enumerable.Range(0, feature ? 1 + random.Next(6) : 20 + random.Next(10)).Select(_ => random.Next(VocabularySize)).Distinct()];
        return new()
        {
            Kind = kind,
            Index = index,
            Firings = firings,
            Density = firings / 1_234_567.0,
            Mean = max * (0.2 + (0.3 * random.NextDouble())),
            Max = max,
            TokenEntropy = feature ? Math.Log2(favourites.Length) + (2 * random.NextDouble()) : 4 + (3 * random.NextDouble()),
            Histogram = [.. Enumerable.Range(0, 30).Select(bin => (long)(firings * Math.Exp(-Math.Pow((bin - 16) / 6.0, 2)) / 10))],
            HistogramLow = -3,
            HistogramHigh = 1.5,
            Tokens = [.. favourites.Select((t, rank) => Fires(t, rank, firings, max, random))],
            Contexts = [.. Enumerable.Range(0, contexts).Select(rank => Context(favourites, rank, max, length, feature ? 0.12 : 0.5, random))],
            Promoted = [.. Enumerable.Range(0, 10).Select(rank => new LogitEffect(random.Next(VocabularySize), 2.5 / (rank + 1)))],
            Suppressed = [.. Enumerable.Range(0, 10).Select(rank => new LogitEffect(random.Next(VocabularySize), -1.5 / (rank + 1)))],
        };
    }

    // What only features have: random contexts by strength, neighbours, a logit histogram, a place on the map.
    private static UnitEvidence Surrounded(UnitEvidence unit, int features, int neurons, int length, Random random)
    {
        UnitEvidence placed = unit with { Map = new((random.NextDouble() * 2) - 1, (random.NextDouble() * 1.2) - 0.6) };
        if (unit.Firings == 0) return placed;
        int[] favourites = [.. unit.Tokens.Select(token => token.Token)];
        ContextGroup Group(int g) => new(unit.Max * (4 - g) / 5, unit.Max * (5 - g) / 5, 0.2, [.. Enumerable.Range(0, 3).Select(rank => Context(favourites, rank, unit.Max * (5 - g) / 5, length, 0.12, random))]);
        NeighbourEvidence Near(Relation relation, UnitKind kind, int limit, int rank) => new(relation, kind, random.Next(limit), 0.9 / (rank + 1), relation == Relation.Cosine ? null : 10 - rank);
        return placed with
        {
            Purity = 1 / (1.0 + (unit.Index % 7)),
            DecileConsistency = unit.Index % 5 == 4 ? null : (unit.Index % 5) / 5.0,
            TokenPredictability = 0.25,
            ContextPredictability = unit.Index % 3 == 0 ? null : 0.5,
            Quantiles = [.. FeatureScanOptions.QuantileLevels.Select(level => unit.Max * level)],
            Groups = [.. Enumerable.Range(0, 5).Select(Group)],
            Sample = [.. Enumerable.Range(0, 8).Select(i => new FiringEvidence(i, i + 1, favourites[0], (float)unit.Max / (i + 1)))],
            Contexts = [.. unit.Contexts.Select((context, rank) => rank == 0 ? context with { AblationLoss = 0.25 } : context)],
            Logits = new(-1.5, 2.5, [.. Enumerable.Range(0, 50).Select(bin => (int)(200 * Math.Exp(-Math.Pow((bin - 20) / 6.0, 2))))]),
            Neighbours =
            [
                .. Enumerable.Range(0, 8).Select(rank => Near(Relation.Cosine, UnitKind.Feature, features, rank)),
                .. Enumerable.Range(0, 8).Select(rank => Near(Relation.Correlation, UnitKind.Feature, features, rank)),
                .. Enumerable.Range(0, 8).Select(rank => Near(Relation.CoFiring, UnitKind.Feature, features, rank)),
                .. Enumerable.Range(0, Math.Min(8, neurons)).Select(rank => Near(Relation.Correlation, UnitKind.Neuron, neurons, rank)),
            ],
        };
    }

    private static TokenEvidence Fires(int token, int rank, long firings, double max, Random random)
    {
        long count = Math.Max(1, firings / (rank + 2));
        return new(token, count, count + random.Next(1 + (int)count * 3), max * (0.3 + (0.2 * random.NextDouble())), max * (1 - (0.05 * rank)));
    }

    private static ContextEvidence Context(int[] favourites, int rank, double max, int length, double rate, Random random)
    {
        int peak = random.Next(length);
        int[] tokens = [.. Enumerable.Range(0, length).Select(at => at == peak ? favourites[rank % favourites.Length] : random.Next(100) == 0 ? random.Next(VocabularySize) : random.Next(WordCount / 2) * 2)];
        float strength = (float)(max * (1 - (0.04 * rank)));
        float[] activations = [.. tokens.Select((_, at) => at == peak ? strength : random.NextDouble() < rate ? (float)(strength * random.NextDouble()) : 0)];
        return new(random.Next(5000), random.Next(300), peak, [.. tokens], [.. activations]);
    }

    private static UnitEvidence Silent(UnitKind kind, int index) => new()
    {
        Kind = kind,
        Index = index,
        Firings = 0,
        Density = 0,
        Mean = 0,
        Max = 0,
        TokenEntropy = null,
        Histogram = [.. new long[30]],
        HistogramLow = -3,
        HistogramHigh = 1.5,
        Tokens = [],
        Contexts = [],
        Promoted = [],
        Suppressed = [],
    };
}
