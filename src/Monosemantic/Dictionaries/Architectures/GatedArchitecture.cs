using System.Collections.Immutable;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Two readings of one encoder (Rajamanoharan et al. 2024): the gate pi = x W_enc + b_gate says which features fire, the
/// magnitude x (W_enc exp(r_mag)) + b_mag how strongly: f = [pi > 0] ReLU(magnitude). The sparsity penalty and a second
/// reconstruction act on ReLU(pi) only, so f is not shrunk. In dictionary_learning and the paper the decoder is frozen in
/// the second reconstruction, in SAELens it is not: <c>gate_trains_decoder</c>.
/// </summary>
internal sealed class GatedArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "gated";

    /// <inheritdoc/>
    public override string Summary => "f = [pi > 0] ReLU(exp(r_mag) x W_enc + b_mag), pi = x W_enc + b_gate; L1 on ReLU(pi) (Rajamanoharan et al. 2024)";

    /// <inheritdoc/>
    public override ImmutableArray<string> FeatureTensors => ["b_mag", "r_mag"];

    /// <inheritdoc/>
    public override string BiasName => "b_gate";

    /// <inheritdoc/>
    internal override bool ChangesPre => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) => () => new ThresholdSelection((nint)weights.BEncAt, (nint)weights.Zeros);

    /// <inheritdoc/>
    internal override unsafe float Activate(SaeWeights weights, int feature, float pre) => Math.Max(0, Magnitude(weights, feature, pre));

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new Rule(options, weights);

    /// <inheritdoc/>
    internal override unsafe void FoldNorm(SaeWeights weights, int feature, float norm) => weights.FeaturesAt(0)[feature] *= norm;

    private static unsafe float Magnitude(SaeWeights weights, int feature, float pre) =>
        ((pre - weights.BEncAt[feature]) * MathF.Exp(weights.FeaturesAt(1)[feature])) + weights.FeaturesAt(0)[feature];

    private sealed unsafe class Rule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
    {
        internal override bool HasSecond => true;

        internal override bool CanBeDense => true;

        internal override bool PenalisesPres => true;

        internal override Func<RowSelector> Selector(StepContext step) => () => new ThresholdSelection((nint)Weights.BEncAt, (nint)Weights.Zeros);

        internal override void Activate(int* features, float* pres, float* values, int count, StepContext step)
        {
            for (int i = 0; i < count; i++) values[i] = Math.Max(0, Magnitude(Weights, features[i], pres[i]));
        }

        internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums)
        {
            SparsityTerm.Add(Options, feature, entries.Rows, entries.Pres, entries.SecondGradients, entries.Count, step, ref sums);
            float exp = MathF.Exp(Weights.FeaturesAt(1)[feature]), gateBias = Weights.BEncAt[feature];
            for (int i = 0; i < entries.Count; i++)
            {
                float magnitude = entries.Values[i] > 0 ? entries.Gradients[i] : 0;
                sums.Bias += entries.SecondGradients[i];
                sums.First += magnitude;
                sums.Second += magnitude * exp * (entries.Pres[i] - gateBias);
                entries.Gradients[i] = entries.SecondGradients[i] + (magnitude * exp);
            }
        }
    }
}
