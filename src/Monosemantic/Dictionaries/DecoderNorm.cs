using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>Keeping the decoder's rows at unit length, and moving their lengths into the encoder.</summary>
internal static unsafe class DecoderNorm
{
    // The two small constants are dictionary_learning's, so that its numbers are reproduced.
    private const float ProjectionEpsilon = 1e-6f;
    private const float NormEpsilon = 1.1920929e-7f;

    /// <summary>Takes the component along a decoder row out of its gradient: a step along it would only be undone.</summary>
    internal static void RemoveParallel(float* gradient, float* row, int dModel)
    {
        float inverse = 1f / (MathF.Sqrt(RowKernels.Dot(row, row, dModel)) + ProjectionEpsilon);
        float along = RowKernels.Dot(gradient, row, dModel) * inverse;
        RowKernels.AddScaled(gradient, row, -along * inverse, dModel);
    }

    /// <summary>Scales a decoder row to length 1.</summary>
    internal static void Normalise(float* row, int dModel) =>
        RowKernels.Scale(row, row, 1f / (MathF.Sqrt(RowKernels.Dot(row, row, dModel)) + NormEpsilon), dModel);

    /// <summary>Scales each decoder row to length 1 and its encoder row and bias by the length it had; the reconstruction of a
    /// top-k code that was ranked by f * length stays the same. Source: SAELens, fold_W_dec_norm.</summary>
    /// <param name="encoder">Encoder rows [d_sae, d_model], changed.</param>
    /// <param name="encoderBias">Encoder bias [d_sae], changed.</param>
    /// <param name="decoder">Decoder rows [d_sae, d_model], changed.</param>
    internal static void FoldIntoEncoder(Tensor encoder, Tensor encoderBias, Tensor decoder)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor norms = decoder.norm(1);
        decoder.div_(norms.unsqueeze(1));
        encoder.mul_(norms.unsqueeze(1));
        encoderBias.mul_(norms);
    }
}
