namespace Monosemantic.Dictionaries;

/// <summary>
/// The k pre-activations that are largest in size, signs kept: f = abs_topk_k(x W_enc + b_enc). One feature can stand for two
/// opposite things, so a dictionary needs fewer; what a feature means has to be read for both signs.
/// </summary>
internal sealed class AbsTopKArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "abs_topk";

    /// <inheritdoc/>
    public override string Summary => "the k pre-activations largest in size, signs kept (AbsTopK, 2025)";

    /// <inheritdoc/>
    public override bool UsesK => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) =>
        () => new TopKSelection<AbsoluteKey>(new((nint)weights.BEncAt), config.K, weights.DSae, rectify: true);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override Func<RowSelector> Selector(StepContext step)
        {
            int k = (int)step.K;
            return () => new TopKSelection<AbsoluteKey>(new((nint)Weights.BEncAt), k, Weights.DSae, rectify: true);
        }

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums) => sums.Bias += Sum(entries.Gradients, entries.Count);
    }
}
