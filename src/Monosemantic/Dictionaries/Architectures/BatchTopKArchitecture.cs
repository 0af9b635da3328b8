namespace Monosemantic.Dictionaries;

/// <summary>
/// The k n largest activations of a batch of n tokens (Bussmann et al. 2024): tokens that need more features get more. While
/// training, the smallest kept activation is averaged to a threshold, with which the result works token by token, as a
/// JumpReLU. Better than TopK at equal mean L0; L0 of a token is no longer fixed.
/// </summary>
internal sealed class BatchTopKArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "batch_topk";

    /// <inheritdoc/>
    public override string Summary => "the k n largest ReLU(x W_enc + b_enc) of a batch of n tokens; saved as jumprelu (Bussmann et al. 2024)";

    /// <inheritdoc/>
    public override bool UsesK => true;

    /// <inheritdoc/>
    public override SaeArchitecture AfterTraining => Of("jumprelu");

    /// <inheritdoc/>
    internal override Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => AfterTraining.Selector(config, weights);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new BatchTopKRule(options, weights);
}

/// <summary>Training by selection over the batch.</summary>
internal sealed class BatchTopKRule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
{
    internal override bool SelectsBatch => true;

    internal override unsafe Func<RowSelector> Selector(StepContext step)
    {
        float bar = (float)step.Bar;
        return Options.RankByNorm
            ? () => new BarSelection<ScaledKey>(new((nint)Weights.BEncAt, (nint)step.Norms), bar)
            : () => new BarSelection<PlainKey>(new((nint)Weights.BEncAt), bar);
    }

    internal override unsafe void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums) => sums.Bias += Sum(entries.Gradients, entries.Count);
}
