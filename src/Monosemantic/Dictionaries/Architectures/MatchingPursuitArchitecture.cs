namespace Monosemantic.Dictionaries;

/// <summary>
/// Features are taken one after the other from what is left of the input, with the decoder as the encoder (Costa et al.
/// 2025). Finds hierarchical and correlated features that one product misses; a step costs a product per feature taken.
/// <c>k</c> is the greatest number of rounds, 0 for the width of the input.
/// </summary>
internal sealed class MatchingPursuitArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "matching_pursuit";

    /// <inheritdoc/>
    public override string Summary => "features taken one by one from the residual, encoder = decoder; k limits the rounds (Costa et al. 2025)";

    /// <inheritdoc/>
    public override bool IsTied => true;

    /// <inheritdoc/>
    internal override Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => throw new InvalidOperationException("matching pursuit does not select from one product");

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    /// <summary>Its gradients are those of the whole pursuit, which is not done feature by feature.</summary>
    private sealed class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override bool IsPursuit => true;

        internal override Func<RowSelector> Selector(StepContext step) => throw new InvalidOperationException("matching pursuit does not select from one product");

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums) => throw new InvalidOperationException("matching pursuit has gradients of its own");
    }
}
