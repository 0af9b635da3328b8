namespace Monosemantic.Dictionaries;

/// <summary>
/// f = ReLU(topk_k(x W_enc + b_enc)) (Gao et al. 2024). L0 is what you ask for and f is not shrunk; needs an auxiliary loss
/// against dead features. With multi-TopK a second reconstruction from several times k features is learned beside the first,
/// so that the dictionary still works when more features are kept.
/// </summary>
internal sealed class TopKArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "topk";

    /// <inheritdoc/>
    public override string Summary => "f = ReLU(topk_k(x W_enc + b_enc)); multi_topk adds a second, larger k (Gao et al. 2024)";

    /// <inheritdoc/>
    public override bool UsesK => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) =>
        () => new TopKSelection<PlainKey>(new((nint)weights.BEncAt), config.K, weights.DSae, rectify: true);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override bool HasSecond => Options.MultiTopK > 1;

        internal override Func<RowSelector> Selector(StepContext step)
        {
            int k = (int)Math.Min((long)step.K * Options.MultiTopK, Weights.DSae);
            return Options.RankByNorm
                ? () => new TopKSelection<ScaledKey>(new((nint)Weights.BEncAt, (nint)step.Norms), k, Weights.DSae, rectify: true)
                : () => new TopKSelection<PlainKey>(new((nint)Weights.BEncAt), k, Weights.DSae, rectify: true);
        }

        // Of the larger selection the main reconstruction gets the k largest.
        internal override void Activate(int* features, float* pres, float* values, int count, StepContext step)
        {
            int k = (int)step.K;
            if (!HasSecond || count <= k) return;
            Span<ulong> keys = new ulong[count];
            for (int i = 0; i < count; i++) keys[i] = Key(features, pres, i, step);
            ulong least = RankOrder.NthLargest(keys, k - 1);
            for (int i = 0; i < count; i++) values[i] = Key(features, pres, i, step) >= least ? pres[i] : 0;
        }

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums)
        {
            for (int i = 0; HasSecond && i < entries.Count; i++) entries.Gradients[i] = (entries.Values[i] > 0 ? entries.Gradients[i] : 0) + (Options.MultiTopKTrainsEncoder ? entries.SecondGradients[i] : 0);
            sums.Bias += Sum(entries.Gradients, entries.Count);
        }

        private ulong Key(int* features, float* pres, int i, StepContext step) => RankOrder.Key(Options.RankByNorm ? pres[i] * step.Norms[features[i]] : pres[i], i);
    }
}
