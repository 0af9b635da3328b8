namespace Monosemantic.Dictionaries;

/// <summary>
/// The features are cut into k runs of equal length, and of each run the one with the largest positive pre-activation fires.
/// As quick as TopK without a search over all features; which features may fire together is fixed by their place.
/// </summary>
internal sealed class GroupMaxArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "groupmax";

    /// <inheritdoc/>
    public override string Summary => "the largest ReLU(x W_enc + b_enc) of each of k equal runs of features (sparsify)";

    /// <inheritdoc/>
    public override bool UsesK => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => () => new GroupMaxSelection((nint)weights.BEncAt, config.K, weights.DSae);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    /// <inheritdoc/>
    internal override IEnumerable<string> Problems(SaeConfig config) =>
        config.K > 0 && config.DSae % config.K != 0 ? [$"d_sae is {config.DSae}; for groupmax it must be a multiple of k ({config.K})"] : [];

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override Func<RowSelector> Selector(StepContext step)
        {
            int k = (int)step.K;
            return () => new GroupMaxSelection((nint)Weights.BEncAt, k, Weights.DSae);
        }

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums) => sums.Bias += Sum(entries.Gradients, entries.Count);
    }
}
