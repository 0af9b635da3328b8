using Monosemantic.Metrics;

namespace Monosemantic.Tests.Metrics;

/// <summary>What holds for every metric, whoever wrote it.</summary>
public sealed class MetricContractTests
{
    private static readonly Dictionary<string, Func<IMetricAccumulator>> Accumulators = CoreMetrics.OfDictionary(RowData.Width, RowData.DSae, hasMean: true)
        .ToDictionary(metric => metric.GetType().Name, metric => (Func<IMetricAccumulator>)(() => new DocumentSums([metric])))
        .Concat(new Dictionary<string, Func<IMetricAccumulator>>
        {
            ["all core metrics"] = () => new DocumentSums(CoreMetrics.OfDictionary(RowData.Width, RowData.DSae, hasMean: true)),
            [nameof(FeatureDensity)] = () => new FeatureDensity(RowData.DSae),
            [nameof(Cooccurrence)] = () => new Cooccurrence(RowData.DSae),
        }).ToDictionary();

    public static TheoryData<string> Names => [.. Accumulators.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Any_split_into_batches_gives_the_same_bits(string name)
    {
        MetricRows all = RowData.Random(500);
        IReadOnlyDictionary<string, MetricValue> whole = Measure(name, all);
        foreach (int size in new[] { 1, 7, 64, 499 })
        {
            MetricRows[] parts = [.. Enumerable.Range(0, (500 + size - 1) / size).Select(i => RowData.Part(all, i * size, Math.Min(500, (i + 1) * size)))];
            IReadOnlyDictionary<string, MetricValue> split = Measure(name, parts);
            Assert.All(whole, pair => Assert.Equal(pair.Value, split[pair.Key]));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Without_a_token_everything_is_undefined_and_says_why(string name)
    {
        IReadOnlyDictionary<string, MetricValue> numbers = Measure(name);
        Assert.NotEmpty(numbers);
        Assert.All(numbers.Values, number =>
        {
            Assert.Null(number.Value);
            Assert.Equal("no token was evaluated", number.Undefined);
            Assert.Null(number.Low);
        });
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_number_is_finite_or_undefined_and_has_a_definition_and_an_interval_or_a_reason(string name)
    {
        MetricRows constant = RowData.Of(RowData.Width, new float[3 * RowData.Width], new float[3 * RowData.Width], code: RowData.Code(3, RowData.DSae, [[], [], []]));
        foreach (MetricRows rows in new[] { RowData.Random(200), RowData.Random(3), RowData.Random(1), constant })
        {
            Assert.All(Measure(name, rows), pair =>
            {
                (string key, MetricValue number) = pair;
                Assert.Matches("^[a-z0-9_]+$", key);
                Assert.True(number.Value is { } value ? double.IsFinite(value) : number.Undefined?.Length > 0, key);
                Assert.True((number.Low is { } low && number.High is { } high && low <= high) || number.NoInterval?.Length > 0, key);
                Assert.True(number.Formula.Length > 5, key);
                Assert.Equal(rows.Rows, number.Tokens);
            });
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_interval_holds_the_number_it_is_about(string name) =>
        Assert.All(Measure(name, RowData.Random(2000)).Values.Where(number => number.Low is not null), number => Assert.InRange(number.Value!.Value, number.Low!.Value - 1e-12, number.High!.Value + 1e-12));

    private static IReadOnlyDictionary<string, MetricValue> Measure(string name, params MetricRows[] batches)
    {
        IMetricAccumulator accumulator = Accumulators[name]();
        foreach (MetricRows batch in batches) accumulator.Add(batch, batch.Rows);
        return accumulator.Compute("held_out");
    }
}
