using Monosemantic.Dictionaries;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// What a training leaves for use: raw activations go in and come out, ranking by decoder norm is folded into the encoder,
/// a selection over batches has become a threshold, and a threshold is kept as itself whatever it was trained as.
/// </summary>
internal static unsafe class TrainedAutoencoder
{
    /// <summary>Makes it; weights are copied.</summary>
    internal static SparseAutoencoder Of(SaeTrainingConfig config, SaeTrainingInput input, SaeLearner learner, double scale, double targetScale, SaeProvenance provenance)
    {
        SaeArchitecture trained = SaeArchitecture.Of(config.Architecture), saved = trained.AfterTraining;
        SaeWeights folded = learner.Weights.Folded(scale, targetScale);
        // Lengths as trained: a scale of the activations changes all rows alike.
        if (config.RescaleByDecoderNorm) FoldNorms(folded, learner.Weights, trained);
        SaeWeights weights = folded;
        if (saved.FeatureTensors.Length > trained.FeatureTensors.Length)
        {
            weights = WithThreshold(folded, (float)Math.Max(0, learner.Threshold.Value));
            folded.Dispose();
        }
        else if (trained.Name == "jumprelu")
        {
            Span<float> thresholds = new(weights.FeaturesAt(0), weights.DSae);
            for (int i = 0; i < thresholds.Length; i++) thresholds[i] = JumpReluRule.ThetaOf(config.JumpRelu.Parameter, thresholds[i]);
        }
        return new SparseAutoencoder(
            new SaeConfig
            {
                Architecture = saved.Name,
                DModel = input.DModel,
                DOut = input.DOut,
                DSae = config.DSae,
                K = saved.UsesK || saved.IsTied ? (int)config.K : 0,
                SubtractBDec = config.SubtractBDec && input.DOut is null,
                SkipConnection = config.SkipConnection,
                Sites = input.Sites,
                ResidualThreshold = config.ResidualThreshold / scale,
                HookPoint = input.HookPoint,
                HookPointOut = input.HookPointOut,
            },
            provenance,
            weights);
    }

    private static void FoldNorms(SaeWeights weights, SaeWeights asTrained, SaeArchitecture architecture)
    {
        for (int feature = 0; feature < weights.DSae; feature++)
        {
            float length = Math.Max(DecoderNorm.Length(asTrained.DecoderAt + ((long)feature * weights.DOut), weights.DOut, 1), 1e-8f);
            float* row = weights.DecoderAt + ((long)feature * weights.DOut), direction = weights.EncoderAt + ((long)feature * weights.DIn);
            RowKernels.Scale(row, row, 1 / length, weights.DOut);
            RowKernels.Scale(direction, direction, length, weights.DIn);
            weights.BEncAt[feature] *= length;
            architecture.FoldNorm(weights, feature, length);
        }
    }

    private static SaeWeights WithThreshold(SaeWeights weights, float threshold)
    {
        var more = new SaeWeights(weights.Shape with { Features = 1 });
        foreach (((_, Tensor from), (_, Tensor to)) in weights.All([]).Zip(more.All([]))) to.copy_(from);
        new Span<float>(more.FeaturesAt(0), more.DSae).Fill(threshold);
        return more;
    }
}
