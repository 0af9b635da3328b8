namespace Monosemantic.Dictionaries;

/// <summary>
/// BatchTopK whose first features must reconstruct on their own (Bussmann et al. 2025): for nested prefixes of the features,
/// given by <c>matryoshka_widths</c>, each prefix' reconstruction is part of the loss. General features come first and are
/// not absorbed by special ones; the reconstruction at equal L0 is a little worse.
/// </summary>
internal sealed class MatryoshkaArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "matryoshka_batch_topk";

    /// <inheritdoc/>
    public override string Summary => "batch_topk whose prefixes of features reconstruct too; saved as jumprelu (Bussmann et al. 2025)";

    /// <inheritdoc/>
    public override bool UsesK => true;

    /// <inheritdoc/>
    public override SaeArchitecture AfterTraining => Of("jumprelu");

    /// <inheritdoc/>
    internal override Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => AfterTraining.Selector(config, weights);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new BatchTopKRule(options, weights);
}
