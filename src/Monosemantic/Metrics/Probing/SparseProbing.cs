using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Probing;

/// <summary>How well a question is answered from few features, few coordinates, or the whole activation.</summary>
public sealed record ProbeTaskResult
{
    /// <summary>The question, such as <c>capitalised</c> or <c>kind:method</c>.</summary>
    public required string Task { get; init; }

    /// <summary>When the answer is yes.</summary>
    public required string Summary { get; init; }

    /// <summary>What is asked about, <c>token</c> or <c>document</c>.</summary>
    public required string Level { get; init; }

    /// <summary>Examples that probes were trained on; half of them yes.</summary>
    public required int TrainExamples { get; init; }

    /// <summary>Examples that probes were tested on; half of them yes.</summary>
    public required int TestExamples { get; init; }

    /// <summary>Why the question was not asked; null where it was.</summary>
    public string? Undefined { get; init; }

    /// <summary>The features that the probe of 5 features reads, the most telling first.</summary>
    public ImmutableArray<int> Features { get; init; } = [];

    /// <summary>Accuracy of each probe, by name: <c>features_k1</c>, <c>raw_k1</c>, .., <c>raw_all</c>.</summary>
    public required IReadOnlyDictionary<string, MetricValue> Accuracy { get; init; }
}

/// <summary>Sparse probing over all questions.</summary>
/// <param name="Mean">Mean accuracy over the questions that were asked, by probe.</param>
/// <param name="Tasks">Each question.</param>
public sealed record SparseProbingResult(IReadOnlyDictionary<string, MetricValue> Mean, ImmutableArray<ProbeTaskResult> Tasks);

/// <summary>
/// Linear probes that read k features, beside probes that read k coordinates of the activation and one that reads all of it.
/// The k are those whose mean differs most between yes and no. Source: Gurnee et al. 2023; SAEBench sparse_probing.
/// </summary>
/// <remarks>Trained on training documents and tested on held-out ones, half of the examples yes: guessing gives 0.5.</remarks>
internal sealed class SparseProbing
{
    private const int MostTrain = 2000, MostTest = 1000, LeastTokens = 100, LeastDocuments = 10, MostClasses = 6;
    private static readonly ImmutableArray<int> Sizes = [1, 2, 5, 20];
    private readonly List<Asked> asked = [];
    private readonly List<ProbeTaskResult> refused = [];

    /// <summary>Names of the probes.</summary>
    internal static ImmutableArray<string> Probes { get; } = [.. Sizes.Select(k => $"features_k{k}"), .. Sizes.Select(k => $"raw_k{k}"), "raw_all"];

    /// <summary>Asks every question.</summary>
    internal static SparseProbingResult Measure(ProbeRows train, ProbeRows test, ProbeText text, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var probing = new SparseProbing();
        Question[] questions = [.. Questions(train, test, text)];
        var answers = new Asked?[questions.Length];
        int done = 0;
        Parallel.For(0, questions.Length, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            answers[i] = questions[i].Problem is null ? Ask(questions[i], i) : null;
            progress?.Report(new("probe", Interlocked.Increment(ref done), questions.Length, "questions"));
        });
        for (int i = 0; i < questions.Length; i++)
        {
            if (answers[i] is { } answer) probing.asked.Add(answer);
            else probing.refused.Add(questions[i].Refused());
        }
        return probing.Result();
    }

    private static IEnumerable<Question> Questions(ProbeRows train, ProbeRows test, ProbeText text)
    {
        ProbeExamples trainTokens = ProbeExamples.OfTokens(train), testTokens = ProbeExamples.OfTokens(test);
        foreach (TokenTask task in text.Types is null ? ProbeTasks.OfTokens : [.. ProbeTasks.OfTokens, .. ProbeTasks.OfReferenceTokens])
        {
            yield return new(task.Name, task.Summary, "token", trainTokens, Labels(train, task), testTokens, Labels(test, task), LeastTokens);
        }
        ProbeExamples trainDocuments = ProbeExamples.OfDocuments(train), testDocuments = ProbeExamples.OfDocuments(test);
        foreach (DocumentTask task in ProbeTasks.OfDocuments(text.Types))
        {
            string?[] before = [.. trainDocuments.Documents.Select(document => task.ClassOf(text.Of(document)))], after = [.. testDocuments.Documents.Select(document => task.ClassOf(text.Of(document)))];
            foreach (string name in before.OfType<string>().Distinct().OrderByDescending(name => Math.Min(before.Count(found => found == name), 4 * after.Count(found => found == name))).ThenBy(name => name, StringComparer.Ordinal).Take(MostClasses))
            {
                yield return new($"{task.Name}:{name}", $"{task.Summary} is {name}", "document", trainDocuments, [.. before.Select(found => found == name)], testDocuments, [.. after.Select(found => found == name)], LeastDocuments);
            }
        }

        bool[] Labels(ProbeRows rows, TokenTask task)
        {
            bool[] labels = new bool[rows.Rows];
            Parallel.For(0, rows.Rows, row => labels[row] = task.Holds(text.Of(rows.Documents[row]), rows.Positions[row]));
            return labels;
        }
    }

    private static Asked Ask(Question question, int number)
    {
        int[] train = ProbeExamples.Balanced(question.TrainLabels, MostTrain, number), test = ProbeExamples.Balanced(question.TestLabels, MostTest, number);
        bool[] wanted = [.. train.Select(i => question.TrainLabels[i])];
        int[] features = question.Train.MostDifferent(train, question.TrainLabels, Sizes[^1], features: true), coordinates = question.Train.MostDifferent(train, question.TrainLabels, Sizes[^1], features: false);
        var right = new List<bool[]>();
        foreach (int k in Sizes) right.Add(Few(features[..Math.Min(k, features.Length)], true));
        foreach (int k in Sizes) right.Add(Few(coordinates[..Math.Min(k, coordinates.Length)], false));
        right.Add(Right(question.Train.Raw(train), question.Test.Raw(test)));
        return new(question, features, train.Length, [.. test.Select(i => question.Test.Documents[i])], [.. right]);

        bool[] Few(int[] columns, bool ofFeatures) => Right(question.Train.Columns(train, columns, ofFeatures), question.Test.Columns(test, columns, ofFeatures));

        bool[] Right(float[] from, float[] to)
        {
            LogisticProbe probe = LogisticProbe.Fit(from, wanted);
            int width = probe.Weights.Length;
            return [.. test.Select((i, at) => (probe.Score(to.AsSpan(at * width, width)) > 0) == question.TestLabels[i])];
        }
    }

    // All questions share one bootstrap, so that their means come by intervals too.
    private SparseProbingResult Result()
    {
        int probes = Probes.Length, width = asked.Count * (probes + 1);
        var bootstrap = new DocumentBootstrap(Math.Max(1, width));
        foreach (IGrouping<int, (int Question, int Example)> document in asked.SelectMany((answer, q) => answer.Documents.Select((_, i) => (q, i))).GroupBy(place => asked[place.q].Documents[place.i]).OrderBy(group => group.Key))
        {
            double[] sums = new double[Math.Max(1, width)];
            foreach ((int q, int i) in document)
            {
                sums[(q * (probes + 1)) + probes]++;
                for (int probe = 0; probe < probes; probe++) sums[(q * (probes + 1)) + probe] += asked[q].Right[probe][i] ? 1 : 0;
            }
            bootstrap.Add(document.Key, sums);
        }
        ImmutableArray<MetricDefinition> definitions = [.. Enumerable.Range(0, asked.Count + 1).SelectMany(q => Probes.Select(probe => new MetricDefinition($"{q}:{probe}", "", Better.Higher, Formula(probe, q == asked.Count), "no question could be asked of these rows")))];
        IReadOnlyDictionary<string, MetricValue> numbers = bootstrap.Numbers(definitions, sums => Values(sums), asked.Sum(answer => answer.Documents.Length), "held_out");
        IReadOnlyDictionary<string, MetricValue> Of(int q, long examples) => Probes.ToDictionary(probe => probe, probe => numbers[$"{q}:{probe}"] with { Tokens = examples });
        return new(Of(asked.Count, asked.Sum(answer => answer.Documents.Length)), [.. asked.Select((answer, q) => answer.Report(Of(q, answer.Documents.Length))), .. refused]);
    }

    private double[] Values(ReadOnlySpan<double> sums)
    {
        int probes = Probes.Length;
        double[] values = new double[(asked.Count + 1) * probes];
        for (int probe = 0; probe < probes; probe++)
        {
            double total = 0;
            for (int q = 0; q < asked.Count; q++)
            {
                double count = sums[(q * (probes + 1)) + probes];
                values[(q * probes) + probe] = count > 0 ? sums[(q * (probes + 1)) + probe] / count : double.NaN;
                total += values[(q * probes) + probe];
            }
            values[(asked.Count * probes) + probe] = asked.Count > 0 ? total / asked.Count : double.NaN;
        }
        return values;
    }

    /// <summary>What each probe's accuracy is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions => [.. Probes.Select(probe => new MetricDefinition(probe, "", Better.Higher, Formula(probe, mean: false), "too few examples of an answer"))];

    private static string Formula(string probe, bool mean)
    {
        string reads = probe == "raw_all" ? "all of x" : $"the {probe[(probe.IndexOf('k') + 1)..]} {(probe.StartsWith("raw", StringComparison.Ordinal) ? "coordinates of x" : "features")} whose mean differs most between yes and no";
        return $"{(mean ? "mean over questions of the " : "")}share of held-out examples, half of them yes, that a logistic probe on {reads} answers rightly";
    }

    /// <summary>A question with the examples that it is asked of.</summary>
    private sealed record Question(string Name, string Summary, string Level, ProbeExamples Train, bool[] TrainLabels, ProbeExamples Test, bool[] TestLabels, int Least)
    {
        public string? Problem => Lack(TrainLabels, "training") ?? Lack(TestLabels, "held-out");

        public ProbeTaskResult Refused() => new() { Task = Name, Summary = Summary, Level = Level, TrainExamples = 0, TestExamples = 0, Undefined = Problem, Accuracy = ImmutableDictionary<string, MetricValue>.Empty };

        private string? Lack(bool[] labels, string split)
        {
            int yes = labels.Count(label => label), no = labels.Length - yes;
            return yes >= Least && no >= Least ? null : $"{yes:N0} {split} {Level}s are yes and {no:N0} no; {Least} of each are needed";
        }
    }

    /// <summary>What came of a question: which test examples each probe answered rightly.</summary>
    private sealed record Asked(Question Question, int[] Features, int Train, int[] Documents, bool[][] Right)
    {
        public ProbeTaskResult Report(IReadOnlyDictionary<string, MetricValue> accuracy) => new()
        {
            Task = Question.Name,
            Summary = Question.Summary,
            Level = Question.Level,
            TrainExamples = Train,
            TestExamples = Documents.Length,
            Features = [.. Features.Take(5)],
            Accuracy = accuracy,
        };
    }
}
