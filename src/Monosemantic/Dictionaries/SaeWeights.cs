using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The four arrays of a sparse autoencoder in the layout that the kernels want: a feature's encoder direction is a row, as
/// its decoder direction is, so that all that belongs to a feature lies together. Gradients and moments have the same shape.
/// </summary>
internal sealed unsafe class SaeWeights : IDisposable
{
    /// <summary>Makes arrays of zeros.</summary>
    internal SaeWeights(int dModel, int dSae)
    {
        (DModel, DSae) = (dModel, dSae);
        Encoder = zeros(dSae, dModel, dtype: ScalarType.Float32).DetachFromDisposeScope();
        BEnc = zeros(dSae, dtype: ScalarType.Float32).DetachFromDisposeScope();
        Decoder = zeros(dSae, dModel, dtype: ScalarType.Float32).DetachFromDisposeScope();
        BDec = zeros(dModel, dtype: ScalarType.Float32).DetachFromDisposeScope();
        EncoderAt = (float*)TensorMemory.Address(Encoder);
        BEncAt = (float*)TensorMemory.Address(BEnc);
        DecoderAt = (float*)TensorMemory.Address(Decoder);
        BDecAt = (float*)TensorMemory.Address(BDec);
    }

    internal int DModel { get; }

    internal int DSae { get; }

    /// <summary>Encoder rows [d_sae, d_model]: the transpose of W_enc.</summary>
    internal Tensor Encoder { get; }

    /// <summary>Encoder bias [d_sae].</summary>
    internal Tensor BEnc { get; }

    /// <summary>Decoder rows [d_sae, d_model]: W_dec.</summary>
    internal Tensor Decoder { get; }

    /// <summary>Decoder bias [d_model].</summary>
    internal Tensor BDec { get; }

    internal float* EncoderAt { get; }

    internal float* BEncAt { get; }

    internal float* DecoderAt { get; }

    internal float* BDecAt { get; }

    /// <summary>Copies from tensors in the files' orientation.</summary>
    /// <param name="wEnc">W_enc [d_model, d_sae].</param>
    /// <param name="bEnc">b_enc [d_sae].</param>
    /// <param name="wDec">W_dec [d_sae, d_model].</param>
    /// <param name="bDec">b_dec [d_model].</param>
    internal static SaeWeights From(Tensor wEnc, Tensor bEnc, Tensor wDec, Tensor bDec)
    {
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var weights = new SaeWeights((int)wDec.shape[1], (int)wDec.shape[0]);
        weights.Encoder.copy_(wEnc.t());
        weights.BEnc.copy_(bEnc);
        weights.Decoder.copy_(wDec);
        weights.BDec.copy_(bDec);
        return weights;
    }

    /// <summary>A copy with a scale of the inputs folded in, so that raw activations go in and come out: the encoder takes the
    /// factor, decoder and its bias are divided by it.</summary>
    /// <param name="scale">What the inputs were multiplied by.</param>
    internal SaeWeights Folded(double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        SaeWeights folded = From(Encoder.t(), BEnc, Decoder, BDec);
        if (scale == 1) return folded;
        folded.Encoder.mul_(scale);
        folded.Decoder.div_(scale);
        folded.BDec.div_(scale);
        return folded;
    }

    /// <summary>Frees the arrays.</summary>
    public void Dispose()
    {
        Encoder.Dispose();
        BEnc.Dispose();
        Decoder.Dispose();
        BDec.Dispose();
    }
}
