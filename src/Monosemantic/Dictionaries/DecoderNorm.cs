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

    /// <summary>Length of a decoder row; of a crosscoder the sum of the lengths of its sites' parts.</summary>
    internal static float Length(float* row, int dOut, int sites)
    {
        if (sites == 1) return MathF.Sqrt(RowKernels.Dot(row, row, dOut));
        int width = dOut / sites;
        float sum = 0;
        for (int site = 0; site < sites; site++, row += width) sum += MathF.Sqrt(RowKernels.Dot(row, row, width));
        return sum;
    }

    /// <summary>Lengths of all decoder rows.</summary>
    internal static void Lengths(SaeWeights weights, int sites, float* into, int threads)
    {
        const int featuresToARange = 256;
        nint to = (nint)into;
        ParallelRanges.For(weights.DSae, featuresToARange, threads, (start, end) =>
        {
            for (long feature = start; feature < end; feature++) ((float*)to)[feature] = Length(weights.DecoderAt + (feature * weights.DOut), weights.DOut, sites);
        });
    }

    /// <summary>Adds what a derivative by the length of a row is by the row's elements.</summary>
    internal static void AddGradient(float* gradient, float* row, double byLength, int dOut, int sites)
    {
        int width = dOut / sites;
        for (int site = 0; site < sites; site++, row += width, gradient += width)
        {
            float length = MathF.Sqrt(RowKernels.Dot(row, row, width));
            if (length > 0) RowKernels.AddScaled(gradient, row, (float)(byLength / length), width);
        }
    }

    /// <summary>Scales each decoder row to length 1 and what is its feature's in the encoder by the length it had.</summary>
    internal static void FoldIntoEncoder(SaeWeights weights, SaeArchitecture architecture)
    {
        for (int feature = 0; feature < weights.DSae; feature++)
        {
            float* row = weights.DecoderAt + ((long)feature * weights.DOut), direction = weights.EncoderAt + ((long)feature * weights.DIn);
            float length = Math.Max(Length(row, weights.DOut, 1), 1e-8f);
            RowKernels.Scale(row, row, 1 / length, weights.DOut);
            RowKernels.Scale(direction, direction, length, weights.DIn);
            weights.BEncAt[feature] *= length;
            architecture.FoldNorm(weights, feature, length);
        }
    }
}
