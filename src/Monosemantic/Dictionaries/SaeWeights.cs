using System.Runtime.InteropServices;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The arrays of a sparse autoencoder in the layout that the kernels want: a feature's encoder direction is a row, as its
/// decoder direction is, so that all that belongs to a feature lies together. Gradients and moments have the same shape.
/// </summary>
internal sealed unsafe class SaeWeights : IDisposable
{
    private readonly Tensor[] features;
    private readonly nint[] featuresAt;
    private readonly List<nint> scratch = [];

    /// <summary>Makes arrays of zeros.</summary>
    internal SaeWeights(SaeShape shape)
    {
        Shape = shape;
        int encoderRows = shape.Tied ? 0 : shape.DSae;
        Encoder = NewZeros(encoderRows, shape.DIn);
        BEnc = NewZeros(encoderRows);
        Decoder = NewZeros(shape.DSae, shape.DOut);
        BDec = NewZeros(shape.DOut);
        features = [.. Enumerable.Range(0, shape.Features).Select(_ => NewZeros(shape.DSae))];
        Skip = shape.Skip ? NewZeros(shape.DOut, shape.DIn) : null;
        EncoderAt = (float*)TensorMemory.Address(Encoder);
        BEncAt = (float*)TensorMemory.Address(BEnc);
        DecoderAt = (float*)TensorMemory.Address(Decoder);
        BDecAt = (float*)TensorMemory.Address(BDec);
        SkipAt = Skip is null ? null : (float*)TensorMemory.Address(Skip);
        featuresAt = [.. features.Select(tensor => (nint)TensorMemory.Address(tensor))];
        Zeros = NewScratch();
    }

    internal SaeShape Shape { get; }

    /// <summary>Width of the inputs.</summary>
    internal int DIn => Shape.DIn;

    /// <summary>Width of the outputs.</summary>
    internal int DOut => Shape.DOut;

    internal int DSae => Shape.DSae;

    /// <summary>Encoder rows [d_sae, d_in]: the transpose of W_enc; no rows where the weights are tied.</summary>
    internal Tensor Encoder { get; }

    /// <summary>Encoder bias [d_sae], of the gate in a gated one.</summary>
    internal Tensor BEnc { get; }

    /// <summary>Decoder rows [d_sae, d_out]: W_dec.</summary>
    internal Tensor Decoder { get; }

    /// <summary>Decoder bias [d_out].</summary>
    internal Tensor BDec { get; }

    /// <summary>W_skip [d_out, d_in], or null.</summary>
    internal Tensor? Skip { get; }

    internal float* EncoderAt { get; }

    internal float* BEncAt { get; }

    internal float* DecoderAt { get; }

    internal float* BDecAt { get; }

    internal float* SkipAt { get; }

    /// <summary>Zeros [d_sae].</summary>
    internal float* Zeros { get; }

    /// <summary>The architecture's own vectors [d_sae], in the order of their names.</summary>
    internal ReadOnlySpan<Tensor> Features => features;

    /// <summary>Address of one of them.</summary>
    internal float* FeaturesAt(int index) => (float*)featuresAt[index];

    /// <summary>Memory for a number per feature, freed with the weights.</summary>
    internal float* NewScratch()
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)Math.Max(1, DSae) * sizeof(float), 64);
        NativeMemory.Clear(memory, (nuint)Math.Max(1, DSae) * sizeof(float));
        scratch.Add((nint)memory);
        return (float*)memory;
    }

    /// <summary>All arrays by name, in a fixed order.</summary>
    /// <param name="featureNames">Names of the architecture's own vectors.</param>
    internal IEnumerable<(string Name, Tensor Value)> All(IEnumerable<string> featureNames)
    {
        if (!Shape.Tied)
        {
            yield return ("encoder_rows", Encoder);
            yield return ("b_enc", BEnc);
        }
        yield return ("W_dec", Decoder);
        yield return ("b_dec", BDec);
        foreach ((string name, Tensor value) in featureNames.Zip(features)) yield return (name, value);
        if (Skip is not null) yield return ("W_skip", Skip);
    }

    /// <summary>Copies from tensors in the files' orientation.</summary>
    /// <param name="wEnc">W_enc [d_in, d_sae].</param>
    /// <param name="bEnc">b_enc [d_sae].</param>
    /// <param name="wDec">W_dec [d_sae, d_out].</param>
    /// <param name="bDec">b_dec [d_out].</param>
    /// <param name="more">The architecture's own vectors [d_sae].</param>
    internal static SaeWeights From(Tensor wEnc, Tensor bEnc, Tensor wDec, Tensor bDec, params ReadOnlySpan<Tensor> more)
    {
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var weights = new SaeWeights(new((int)wEnc.shape[0], (int)wDec.shape[0], (int)wDec.shape[1], more.Length));
        weights.Encoder.copy_(wEnc.t());
        weights.BEnc.copy_(bEnc);
        weights.Decoder.copy_(wDec);
        weights.BDec.copy_(bDec);
        for (int i = 0; i < more.Length; i++) weights.features[i].copy_(more[i]);
        return weights;
    }

    /// <summary>A copy.</summary>
    internal SaeWeights Copy()
    {
        using var gradients = no_grad();
        var copy = new SaeWeights(Shape);
        string[] names = [.. features.Select((_, index) => $"{index}")];
        foreach (((_, Tensor from), (_, Tensor to)) in All(names).Zip(copy.All(names))) to.copy_(from);
        return copy;
    }

    /// <summary>A copy with scales folded in, so that raw activations go in and come out. Source: SAELens, fold_activation_norm_scaling_factor.</summary>
    /// <param name="input">What the inputs were multiplied by.</param>
    /// <param name="output">What the outputs were multiplied by.</param>
    internal SaeWeights Folded(double input, double output)
    {
        SaeWeights folded = Copy();
        if (!Shape.Tied && input != 1) folded.Encoder.mul_(input);
        if (output != 1)
        {
            // Tied weights stay: the features take the scale.
            if (!Shape.Tied) folded.Decoder.div_(output);
            folded.BDec.div_(output);
        }
        folded.Skip?.mul_(input / output);
        return folded;
    }

    private static Tensor NewZeros(params long[] shape)
    {
        Tensor values = TensorMemory.NewFloats(shape);
        // What it returns is another handle of the same tensor.
        values.zero_().Dispose();
        return values.DetachFromDisposeScope();
    }

    /// <summary>Frees the arrays.</summary>
    public void Dispose()
    {
        Encoder.Dispose();
        BEnc.Dispose();
        Decoder.Dispose();
        BDec.Dispose();
        Skip?.Dispose();
        foreach (Tensor tensor in features) tensor.Dispose();
        foreach (nint memory in scratch) NativeMemory.AlignedFree((void*)memory);
        scratch.Clear();
    }
}
