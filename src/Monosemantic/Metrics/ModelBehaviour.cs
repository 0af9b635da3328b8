using System.Collections.Immutable;

namespace Monosemantic.Metrics;

/// <summary>What replacing activations does to the prediction of one token.</summary>
/// <param name="Original">-ln p(token) of the model itself, nats.</param>
/// <param name="Spliced">The same with reconstructions in place of activations.</param>
/// <param name="Zero">The same with zero in place of activations.</param>
/// <param name="Mean">The same with the mean activation in their place; NaN where it is not known.</param>
/// <param name="KlSpliced">KL(original || spliced) of the predicted distributions, nats.</param>
/// <param name="KlZero">KL(original || zero-ablated), nats.</param>
/// <param name="Agrees">Whether the likeliest token stays the same when spliced.</param>
internal readonly record struct TokenBehaviour(double Original, double Spliced, double Zero, double Mean, double KlSpliced, double KlZero, bool Agrees);

/// <summary>
/// How a model behaves with a dictionary spliced in, over the predictions that count.
/// <code>
/// recovered against an ablation = (CE_ablated - CE_spliced) / (CE_ablated - CE_original)
/// KL(p || q) = sum_v p_v ln(p_v / q_v), p the model's own prediction
/// </code>
/// </summary>
internal sealed class ModelBehaviour
{
    private const int Tokens = 0, Original = 1, Spliced = 2, Zero = 3, Mean = 4, KlSpliced = 5, KlZero = 6, Agree = 7, Width = 8;
    private const string NotFinite = "a cross-entropy is not finite", NoMean = "the mean activation is not known";

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
    [
        new("ce_original", "nats/token", Better.Lower, "mean cross-entropy of the model's next-token predictions", NotFinite),
        new("ce_spliced", "nats/token", Better.Lower, "the same with x replaced by x_hat at the hook point", NotFinite),
        new("ce_zero_ablation", "nats/token", Better.Neither, "the same with x replaced by 0", NotFinite),
        new("ce_mean_ablation", "nats/token", Better.Neither, "the same with x replaced by the mean of the store", NoMean),
        new("ce_increase", "nats/token", Better.Lower, "ce_spliced - ce_original", NotFinite),
        new("ce_recovered_zero", "", Better.Higher, "(ce_zero_ablation - ce_spliced) / (ce_zero_ablation - ce_original)", "zero ablation costs nothing"),
        new("ce_recovered_mean", "", Better.Higher, "(ce_mean_ablation - ce_spliced) / (ce_mean_ablation - ce_original)", "mean ablation costs nothing, or the mean activation is not known"),
        new("kl_spliced", "nats/token", Better.Lower, "mean of KL(original || spliced) of the predicted distributions", NotFinite),
        new("kl_zero_ablation", "nats/token", Better.Neither, "mean of KL(original || zero-ablated)", NotFinite),
        new("top1_agreement", "", Better.Higher, "share of predictions whose likeliest token is the same when spliced", NotFinite),
    ];

    private readonly DocumentBootstrap bootstrap = new(Width);
    private readonly double[] open = new double[Width];
    private int document;

    /// <summary>Predictions counted.</summary>
    public long Predictions { get; private set; }

    /// <summary>Adds one prediction.</summary>
    /// <param name="of">Document of the predicted token.</param>
    /// <param name="token">What was measured.</param>
    public void Add(int of, TokenBehaviour token)
    {
        if (of != document) Close();
        document = of;
        Predictions++;
        open[Tokens]++;
        open[Original] += token.Original;
        open[Spliced] += token.Spliced;
        open[Zero] += token.Zero;
        open[Mean] += token.Mean;
        open[KlSpliced] += token.KlSpliced;
        open[KlZero] += token.KlZero;
        open[Agree] += token.Agrees ? 1 : 0;
    }

    /// <summary>Every number with its interval.</summary>
    /// <param name="split">Where the tokens come from.</param>
    public IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        Close();
        return bootstrap.Numbers(Definitions, Values, Predictions, split);
    }

    private static double[] Values(ReadOnlySpan<double> sums)
    {
        double n = sums[Tokens];
        if (n == 0) return [.. Definitions.Select(_ => double.NaN)];
        double original = sums[Original] / n, spliced = sums[Spliced] / n, zero = sums[Zero] / n, mean = sums[Mean] / n;
        return
        [
            original, spliced, zero, mean, spliced - original,
            SplicedLoss.Recovered(original, spliced, zero) ?? double.NaN, SplicedLoss.Recovered(original, spliced, mean) ?? double.NaN,
            sums[KlSpliced] / n, sums[KlZero] / n, sums[Agree] / n,
        ];
    }

    private void Close()
    {
        if (open[Tokens] == 0) return;
        bootstrap.Add(document, open);
        Array.Clear(open);
    }
}
