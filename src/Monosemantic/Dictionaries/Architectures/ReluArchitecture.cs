namespace Monosemantic.Dictionaries;

/// <summary>
/// f = ReLU(x W_enc + b_enc), kept sparse by a penalty on f: L1 (Towards Monosemanticity, with unit-norm decoder rows), L1
/// weighted by decoder norms (Anthropic April 2024), Lp and p-annealing (Karvonen et al. 2024). The simplest; watch shrinkage,
/// because the penalty makes every f smaller than it should be. It starts with half of all features firing.
/// </summary>
internal sealed class ReluArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "relu";

    /// <inheritdoc/>
    public override string Summary => "f = ReLU(x W_enc + b_enc), L1 or Lp penalty on f (Bricken et al. 2023)";

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => () => new ThresholdSelection((nint)weights.BEncAt, (nint)weights.Zeros);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override bool CanBeDense => true;

        internal override Func<RowSelector> Selector(StepContext step) => () => new ThresholdSelection((nint)Weights.BEncAt, (nint)Weights.Zeros);

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums)
        {
            SparsityTerm.Add(Options, feature, entries.Rows, entries.Values, entries.Gradients, entries.Count, step, ref sums);
            sums.Bias += Sum(entries.Gradients, entries.Count);
        }
    }
}
