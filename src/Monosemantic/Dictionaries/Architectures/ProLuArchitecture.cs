namespace Monosemantic.Dictionaries;

/// <summary>
/// f = m where m = x W_enc is above 0 and m + b_enc is above 0, else 0 (Taggart 2024): the bias decides whether a feature
/// fires but does not shift how strongly. The bias has no gradient of its own; two estimates are offered, as if the unit were
/// a ReLU (df/dm = df/db = 1), or straight through the gate (df/db = m, df/dm = 1 + m).
/// </summary>
internal sealed class ProLuArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "prolu";

    /// <inheritdoc/>
    public override string Summary => "f = m if m > 0 and m + b_enc > 0, with m = x W_enc; L1 penalty (Taggart 2024)";

    /// <inheritdoc/>
    internal override bool ChangesPre => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => () => new ThresholdSelection((nint)weights.Zeros, (nint)weights.Zeros);

    /// <inheritdoc/>
    internal override unsafe float Activate(SaeWeights weights, int feature, float pre) => pre + weights.BEncAt[feature] > 0 ? pre : 0;

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        private readonly float* bars = weights.NewScratch();

        internal override bool CanBeDense => true;

        internal override void Prepare(StepContext step)
        {
            for (int i = 0; i < Weights.DSae; i++) bars[i] = Math.Max(0, -Weights.BEncAt[i]);
        }

        internal override Func<RowSelector> Selector(StepContext step) => () => new ThresholdSelection((nint)Weights.Zeros, (nint)bars);

        internal override float Pre(int feature, float product) => product;

        internal override bool Selects(int feature, float pre) => pre > bars[feature];

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums)
        {
            SparsityTerm.Add(Options, feature, entries.Rows, entries.Values, entries.Gradients, entries.Count, step, ref sums);
            bool ste = Options.ProLu == ProLuGradient.Ste;
            for (int i = 0; i < entries.Count; i++)
            {
                float bias = entries.Gradients[i] * (ste ? entries.Pres[i] : 1);
                sums.Bias += bias;
                if (ste) entries.Gradients[i] += bias;
            }
        }
    }
}
