using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>Weights to start from: random unit directions for the decoder, the encoder its transpose, biases zero.</summary>
internal static unsafe class SaeInitialisation
{
    /// <summary>Fills the weights from a seed.</summary>
    internal static void Fill(SaeWeights weights, long seed)
    {
        var random = new SeededRandom(seed);
        for (long feature = 0; feature < weights.DSae; feature++)
        {
            float* row = weights.DecoderAt + (feature * weights.DModel);
            for (int i = 0; i < weights.DModel; i++) row[i] = (float)random.NextNormal();
            DecoderNorm.Normalise(row, weights.DModel);
        }
        long bytes = (long)weights.DSae * weights.DModel * sizeof(float);
        Buffer.MemoryCopy(weights.DecoderAt, weights.EncoderAt, bytes, bytes);
    }

    /// <summary>Sets the decoder bias from the first batch.</summary>
    internal static void SetDecoderBias(SaeWeights weights, DecoderBiasInit init, ReadOnlySpan<float> inputs, int rows)
    {
        if (init == DecoderBiasInit.Zero) return;
        float[] centre = init == DecoderBiasInit.GeometricMedian
            ? GeometricMedian.Of(inputs, rows, weights.DModel)
            : Array.ConvertAll(GeometricMedian.Mean(inputs, rows, weights.DModel), value => (float)value);
        centre.CopyTo(new Span<float>(weights.BDecAt, weights.DModel));
    }
}
