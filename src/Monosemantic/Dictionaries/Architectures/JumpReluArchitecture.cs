using System.Collections.Immutable;

namespace Monosemantic.Dictionaries;

/// <summary>
/// f = pre [pre > theta] with pre = x W_enc + b_enc and a learned threshold theta per feature (Rajamanoharan et al. 2024).
/// The threshold's gradient is a straight-through estimate over a window of width <c>bandwidth</c> around it. Sparsity by
/// step, (L0 / target - 1)^2 or tanh loss; <c>pre_act_coefficient</c> pulls dead features towards their thresholds. What
/// BatchTopK is saved as. The window should be about as wide as the spread of pre-activations near the threshold.
/// </summary>
internal sealed class JumpReluArchitecture : SaeArchitecture
{
    /// <inheritdoc/>
    public override string Name => "jumprelu";

    /// <inheritdoc/>
    public override string Summary => "f = pre [pre > theta], pre = x W_enc + b_enc, theta learned (Rajamanoharan et al. 2024)";

    /// <inheritdoc/>
    public override ImmutableArray<string> FeatureTensors => ["threshold"];

    /// <inheritdoc/>
    internal override bool ChangesPre => true;

    /// <inheritdoc/>
    internal override unsafe Func<RowSelector> Selector(SaeConfig config, SaeWeights weights) =>
        () => new ThresholdSelection((nint)weights.BEncAt, (nint)weights.FeaturesAt(0));

    /// <inheritdoc/>
    internal override float Activate(SaeWeights weights, int feature, float pre) => Math.Max(0, pre);

    /// <inheritdoc/>
    internal override TrainingRule NewRule(RuleOptions options, SaeWeights weights) => new JumpReluRule(options, weights);

    /// <inheritdoc/>
    internal override unsafe void FoldNorm(SaeWeights weights, int feature, float norm) => weights.FeaturesAt(0)[feature] *= norm;
}

/// <summary>Training of thresholds. Entries are the features above the lower end of their window, or all tokens of a dead feature.</summary>
internal sealed unsafe class JumpReluRule(RuleOptions options, SaeWeights weights) : TrainingRule(options, weights)
{
    private readonly float* bars = weights.NewScratch(), thetas = weights.NewScratch();
    private readonly float bandwidth = (float)options.Bandwidth;

    internal override bool CanBeDense => true;

    internal override bool NeedsNorms => base.NeedsNorms || Options.PreActCoefficient > 0;

    internal override void Prepare(StepContext step)
    {
        for (int i = 0; i < Weights.DSae; i++)
        {
            thetas[i] = ThetaOf(Options.Threshold, Weights.FeaturesAt(0)[i]);
            // A little lower than the window, so that rounding cannot lose an entry; those outside count for nothing.
            bars[i] = Pulls(step, i) ? float.NegativeInfinity : thetas[i] - (0.5001f * bandwidth);
        }
    }

    internal override Func<RowSelector> Selector(StepContext step) => () => new ThresholdSelection((nint)Weights.BEncAt, (nint)bars);

    internal override bool Selects(int feature, float pre) => pre > bars[feature];

    internal override void Activate(int* features, float* pres, float* values, int count, StepContext step)
    {
        for (int i = 0; i < count; i++) values[i] = pres[i] > thetas[features[i]] ? pres[i] : 0;
    }

    internal override void Differentiate(int feature, ref FeatureEntriesSpan entries, StepContext step, ref FeatureSums sums)
    {
        SparsityTerm.Add(Options, feature, entries.Rows, entries.Values, entries.Gradients, entries.Count, step, ref sums);
        float theta = thetas[feature], byTheta = theta / bandwidth, byStep = (float)(step.L0Slope / bandwidth);
        int fired = 0;
        double threshold = 0;
        for (int i = 0; i < entries.Count; i++)
        {
            float pre = entries.Pres[i], gradient = entries.Gradients[i];
            bool fires = pre > theta;
            if (InWindow(pre, theta)) threshold -= byTheta * gradient;
            if (fires) fired++;
            if (InWindow(Options.StepOnOutput && !fires ? 0 : pre, theta) && (fires || !Options.StepOnOutput)) threshold -= byStep;
            entries.Gradients[i] = fires ? gradient : 0;
        }
        // The step on f sees every token that does not fire as one at 0.
        if (Options.StepOnOutput && InWindow(0, theta)) threshold -= (double)byStep * (entries.RowsSeen - fired);
        if (Pulls(step, feature)) Pull(feature, theta, ref entries, step, ref threshold, ref sums);
        sums.Bias += Sum(entries.Gradients, entries.Count);
        sums.First += Options.Threshold switch
        {
            ThresholdParameter.Log => threshold * theta,
            ThresholdParameter.Rectified => Weights.FeaturesAt(0)[feature] > 0 ? threshold : 0,
            _ => threshold,
        };
    }

    /// <summary>The threshold that a parameter stands for.</summary>
    internal static float ThetaOf(ThresholdParameter kind, float parameter) => kind switch
    {
        ThresholdParameter.Log => MathF.Exp(parameter),
        ThresholdParameter.Rectified => Math.Max(0, parameter),
        _ => parameter,
    };

    private bool Pulls(StepContext step, int feature) => Options.PreActCoefficient > 0 && step.Dead is { } dead && dead[feature];

    private bool InWindow(float value, float theta) => MathF.Abs((value - theta) / bandwidth) < 0.5f;

    // mu/B sum ReLU(theta - pre) n over a dead feature's tokens.
    private void Pull(int feature, float theta, ref FeatureEntriesSpan entries, StepContext step, ref double threshold, ref FeatureSums sums)
    {
        double factor = Options.PreActCoefficient / step.Rows, norm = step.Norms[feature], below = 0;
        for (int i = 0; i < entries.Count; i++)
        {
            if (entries.Pres[i] >= theta) continue;
            entries.Gradients[i] -= (float)(factor * norm);
            threshold += factor * norm;
            below += theta - entries.Pres[i];
        }
        sums.Norm += factor * below;
        sums.PreAct += factor * norm * below;
    }
}
