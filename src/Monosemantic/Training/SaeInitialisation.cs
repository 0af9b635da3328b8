using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>Weights to start from: random unit directions for the decoder, the encoder its transpose, biases zero.</summary>
internal static unsafe class SaeInitialisation
{
    /// <summary>Fills the weights from a seed.</summary>
    internal static void Fill(SaeWeights weights, SaeTrainingConfig config)
    {
        var random = new SeededRandom(config.Seed);
        for (long feature = 0; feature < weights.DSae; feature++)
        {
            float* row = weights.DecoderAt + (feature * weights.DOut);
            for (int i = 0; i < weights.DOut; i++) row[i] = (float)random.NextNormal();
            DecoderNorm.Normalise(row, weights.DOut);
            if (config.DecoderInitNorm != 1) RowKernels.Scale(row, row, (float)config.DecoderInitNorm, weights.DOut);
        }
        if (config.Architecture == "jumprelu")
        {
            double threshold = config.JumpRelu.Parameter == ThresholdParameter.Log ? Math.Log(config.JumpRelu.InitThreshold) : config.JumpRelu.InitThreshold;
            new Span<float>(weights.FeaturesAt(0), weights.DSae).Fill((float)threshold);
        }
        if (weights.Shape.Tied) return;
        if (weights.DIn == weights.DOut)
        {
            long bytes = (long)weights.DSae * weights.DOut * sizeof(float);
            Buffer.MemoryCopy(weights.DecoderAt, weights.EncoderAt, bytes, bytes);
            return;
        }
        // No transpose fits: directions of their own, of the same length.
        for (long feature = 0; feature < weights.DSae; feature++)
        {
            float* row = weights.EncoderAt + (feature * weights.DIn);
            for (int i = 0; i < weights.DIn; i++) row[i] = (float)random.NextNormal();
            DecoderNorm.Normalise(row, weights.DIn);
            RowKernels.Scale(row, row, (float)config.DecoderInitNorm, weights.DIn);
        }
    }

    /// <summary>Starts from an autoencoder that was trained before, scaled to what this run's inputs are multiplied by.</summary>
    internal static void From(SaeWeights weights, SparseAutoencoder trained, double scale, double outputScale)
    {
        if (trained.Weights.Shape != weights.Shape) throw new UserErrorException($"the autoencoder to start from has other arrays ({trained.Weights.Shape}) than this run ({weights.Shape})", "start from one of the same architecture, d_model and d_sae");
        using var gradients = no_grad();
        using SaeWeights scaled = trained.Weights.Folded(1 / scale, 1 / outputScale);
        string[] names = [.. weights.Features.ToArray().Select((_, index) => $"{index}")];
        foreach (((_, Tensor from), (_, Tensor to)) in scaled.All(names).Zip(weights.All(names))) to.copy_(from);
    }

    /// <summary>Sets the decoder bias from the first batch's targets.</summary>
    internal static void SetDecoderBias(SaeWeights weights, DecoderBiasInit init, ReadOnlySpan<float> targets, int rows)
    {
        if (init == DecoderBiasInit.Zero) return;
        float[] centre = init == DecoderBiasInit.GeometricMedian
            ? GeometricMedian.Of(targets, rows, weights.DOut)
            : Array.ConvertAll(GeometricMedian.Mean(targets, rows, weights.DOut), value => (float)value);
        centre.CopyTo(new Span<float>(weights.BDecAt, weights.DOut));
    }
}
