using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>What a reconstruction's gradients are taken from.</summary>
/// <param name="Residual">Error of the reconstruction [n, d_out]; an address.</param>
/// <param name="Scale">dL/dx_hat over that error.</param>
/// <param name="TrainsDecoder">Whether decoder rows and bias are trained by it.</param>
internal readonly record struct Pull(nint Residual, float Scale, bool TrainsDecoder = true);

/// <summary>What the backward pass of one batch needs.</summary>
internal sealed unsafe class BackwardInput
{
    internal required FeatureEntries Entries { get; init; }

    internal required StepContext Step { get; init; }

    /// <summary>For each level of nesting, what its features are pulled by.</summary>
    internal required Pull[] Pulls { get; init; }

    /// <summary>Ends of the levels' features.</summary>
    internal required int[] Widths { get; init; }

    /// <summary>The second reconstruction's pull.</summary>
    internal Pull? Second { get; init; }

    /// <summary>One auxiliary loss for all features, or one for each level of nesting; null where there is none.</summary>
    internal required AuxiliaryTerm?[] Auxiliary { get; init; }

    /// <summary>The auxiliary loss that a feature takes part in.</summary>
    internal AuxiliaryTerm? AuxiliaryOf(int feature) => Auxiliary.Length == 1 ? Auxiliary[0] : Auxiliary[LevelOf(feature)];

    /// <summary>The shortest prefix that a feature is in.</summary>
    internal int LevelOf(int feature)
    {
        int level = 0;
        while (feature >= Widths[level]) level++;
        return level;
    }

    /// <summary>Centred inputs [n, d_in].</summary>
    internal required float* Inputs { get; init; }
}

/// <summary>
/// Gradients of everything that belongs to a feature, over the tokens on which it has an entry. Workers take ranges of
/// features, so that none writes what another does, and every sum is in a fixed order.
/// </summary>
internal sealed unsafe class SparseBackward(SaeTrainingConfig config, TrainingRule rule, SaeWeights weights, SaeWeights gradients, int threads)
{
    private const int FeaturesToARange = 32;
    private readonly double[] squares = new double[weights.DSae];
    private readonly FeatureSums[] sums = new FeatureSums[weights.DSae];
    private readonly bool[] touched = new bool[weights.DSae];

    /// <summary>Which features took part; the gradient rows of the others are not written, and count as zero.</summary>
    internal bool[] Touched => touched;

    /// <summary>Squared length of each feature's gradients.</summary>
    internal double[] Squares => squares;

    /// <summary>What each feature's entries added up to.</summary>
    internal FeatureSums[] Sums => sums;

    /// <summary>Computes the gradients of all but b_dec and W_skip.</summary>
    /// <returns>What the encoder passes on to the centred inputs, summed over tokens [d_in]; empty where b_dec is not subtracted.</returns>
    internal double[] Run(BackwardInput input)
    {
        int ranges = (weights.DSae + FeaturesToARange - 1) / FeaturesToARange;
        var partials = new float[ranges][];
        ParallelRanges.For(weights.DSae, FeaturesToARange, threads, (start, end) =>
        {
            var partial = new float[config.SubtractBDec ? weights.DIn : 0];
            float[] dots = new float[input.Step.Rows], second = new float[input.Second is null ? 0 : input.Step.Rows];
            fixed (float* dotsAt = dots, secondAt = second, partialAt = partial)
            {
                for (int feature = start; feature < end; feature++) OfFeature(feature, input, dotsAt, secondAt, partialAt);
            }
            partials[start / FeaturesToARange] = partial;
        });
        var total = new double[config.SubtractBDec ? weights.DIn : 0];
        foreach (float[] partial in partials)
        {
            for (int i = 0; i < total.Length; i++) total[i] += partial[i];
        }
        return total;
    }

    private void OfFeature(int feature, BackwardInput input, float* dots, float* second, float* throughEncoder)
    {
        long inAt = (long)feature * weights.DIn, outAt = (long)feature * weights.DOut;
        FeatureEntries entries = input.Entries;
        int first = entries.Offsets[feature], count = entries.Count(feature), aux = input.AuxiliaryOf(feature)?.Entries.Count(feature) ?? 0;
        FeatureSums sum = default;
        squares[feature] = 0;
        touched[feature] = count > 0 || aux > 0;
        var span = new FeatureEntriesSpan { Count = count, RowsSeen = input.Step.Rows, Rows = entries.Rows + first, Pres = entries.Pres + first, Values = entries.Values + first, Gradients = dots, SecondGradients = second };
        if (touched[feature])
        {
            new Span<float>(gradients.DecoderAt + outAt, weights.DOut).Clear();
            new Span<float>(gradients.EncoderAt + inAt, weights.DIn).Clear();
            Pull pull = input.Pulls[input.LevelOf(feature)];
            Back(span, span.Values, pull, outAt, dots);
            if (input.Second is { } other) Back(span, span.Pres, other, outAt, second);
        }
        rule.Differentiate(feature, ref span, input.Step, ref sum);
        double product = 0;
        if (count > 0)
        {
            SparseGradients.ThroughEncoder(span.Rows, dots, count, input.Inputs, gradients.EncoderAt + inAt, weights.DIn);
            for (int i = 0; i < count; i++) product += dots[i];
        }
        if (aux > 0) product += OfAuxiliary(feature, input, dots, outAt, inAt, ref sum);
        if (config.SubtractBDec && touched[feature]) RowKernels.AddScaled(throughEncoder, weights.EncoderAt + inAt, (float)product, weights.DIn);
        Finish(feature, inAt, outAt, ref sum);
    }

    // The auxiliary loss has entries of its own, on features that are otherwise not pulled.
    private double OfAuxiliary(int feature, BackwardInput input, float* dots, long outAt, long inAt, ref FeatureSums sum)
    {
        AuxiliaryTerm aux = input.AuxiliaryOf(feature)!;
        int first = aux.Entries.Offsets[feature], count = aux.Entries.Count(feature);
        var span = new FeatureEntriesSpan { Count = count, Rows = aux.Entries.Rows + first, Values = aux.Entries.Values + first };
        Back(span, span.Values, aux.Pull, outAt, dots);
        if (!aux.TrainsEncoder) return 0;
        SparseGradients.ThroughEncoder(span.Rows, dots, count, input.Inputs, gradients.EncoderAt + inAt, weights.DIn);
        double product = 0;
        for (int i = 0; i < count; i++) product += dots[i];
        sum.Bias += product;
        return product;
    }

    private void Back(in FeatureEntriesSpan span, float* values, Pull pull, long outAt, float* dots) =>
        SparseGradients.ThroughDecoder(span.Rows, values, span.Count, (float*)pull.Residual, pull.Scale, weights.DecoderAt + outAt, pull.TrainsDecoder ? gradients.DecoderAt + outAt : null, dots, weights.DOut);

    /// <summary>Ends the gradients of one feature: its vectors, the length of its decoder row, the projection, the square.</summary>
    internal void Finish(int feature, long inAt, long outAt, ref FeatureSums sum)
    {
        float* decoder = gradients.DecoderAt + outAt;
        bool tied = weights.Shape.Tied;
        if (!tied) gradients.BEncAt[feature] = (float)sum.Bias;
        double square = sum.Bias * sum.Bias;
        for (int i = 0; i < weights.Features.Length; i++)
        {
            double value = i == 0 ? sum.First : sum.Second;
            gradients.FeaturesAt(i)[feature] = (float)value;
            square += value * value;
        }
        sums[feature] = sum;
        if (touched[feature])
        {
            if (sum.Norm != 0) DecoderNorm.AddGradient(decoder, weights.DecoderAt + outAt, sum.Norm, weights.DOut, rule.Options.Sites);
            if (config.UnitNormDecoder) DecoderNorm.RemoveParallel(decoder, weights.DecoderAt + outAt, weights.DOut);
            square += (double)RowKernels.Dot(decoder, decoder, weights.DOut) + (tied ? 0 : RowKernels.Dot(gradients.EncoderAt + inAt, gradients.EncoderAt + inAt, weights.DIn));
        }
        squares[feature] = square;
    }

    /// <summary>Adds gradients of some features that were computed otherwise.</summary>
    /// <param name="features">The features.</param>
    /// <param name="encoder">Gradients of their encoder rows [count, d_in].</param>
    /// <param name="decoder">Gradients of their decoder rows [count, d_out].</param>
    /// <param name="bias">Gradients of their encoder biases [count].</param>
    internal void Add(int[] features, Tensor encoder, Tensor decoder, Tensor bias)
    {
        float* encoderAt = (float*)TensorMemory.Address(encoder.contiguous()), decoderAt = (float*)TensorMemory.Address(decoder.contiguous()), biasAt = (float*)TensorMemory.Address(bias);
        for (int i = 0; i < features.Length; i++)
        {
            long inAt = (long)features[i] * weights.DIn, outAt = (long)features[i] * weights.DOut;
            if (!touched[features[i]])
            {
                new Span<float>(gradients.DecoderAt + outAt, weights.DOut).Clear();
                new Span<float>(gradients.EncoderAt + inAt, weights.DIn).Clear();
                touched[features[i]] = true;
            }
            RowKernels.AddScaled(gradients.EncoderAt + inAt, encoderAt + ((long)i * weights.DIn), 1, weights.DIn);
            RowKernels.AddScaled(gradients.DecoderAt + outAt, decoderAt + ((long)i * weights.DOut), 1, weights.DOut);
            FeatureSums sum = sums[features[i]];
            sum.Bias += biasAt[i];
            sum.Norm = 0;
            Finish(features[i], inAt, outAt, ref sum);
        }
    }
}
