namespace Monosemantic.Dictionaries;

/// <summary>x_hat = f W_dec + b_dec over the features that fire, four decoder rows at a time.</summary>
internal static unsafe class SparseDecode
{
    /// <summary>Decodes one token.</summary>
    /// <param name="output">Receives x_hat [d_model].</param>
    /// <param name="features">The features that fire.</param>
    /// <param name="values">Their activations.</param>
    /// <param name="count">How many fire.</param>
    /// <param name="decoder">Decoder rows [d_sae, d_model].</param>
    /// <param name="bias">What to start from [d_model]; null for 0.</param>
    /// <param name="dModel">Width of a row.</param>
    internal static void Row(float* output, int* features, float* values, int count, float* decoder, float* bias, int dModel)
    {
        var row = new Span<float>(output, dModel);
        if (bias == null) row.Clear();
        else new ReadOnlySpan<float>(bias, dModel).CopyTo(row);
        float** rows = stackalloc float*[4];
        int i = 0;
        for (; i <= count - 4; i += 4)
        {
            for (int j = i + 4; j < Math.Min(i + 8, count); j++) RowKernels.Expect(decoder + ((long)features[j] * dModel));
            for (int j = 0; j < 4; j++) rows[j] = decoder + ((long)features[i + j] * dModel);
            RowKernels.AddScaled4(output, rows, values + i, dModel);
        }
        for (; i < count; i++) RowKernels.AddScaled(output, decoder + ((long)features[i] * dModel), values[i], dModel);
    }

    /// <summary>Decodes every token of a code.</summary>
    /// <param name="code">The feature activations.</param>
    /// <param name="output">Receives x_hat [n, d_model].</param>
    /// <param name="decoder">Decoder rows [d_sae, d_model].</param>
    /// <param name="bias">Decoder bias [d_model].</param>
    /// <param name="dModel">Width of a row.</param>
    /// <param name="threads">Most workers at a time.</param>
    internal static void Rows(SparseCode code, float* output, float* decoder, float* bias, int dModel, int threads)
    {
        const int rowsToARange = 64;
        ParallelRanges.For(code.Rows, rowsToARange, threads, (start, end) =>
        {
            fixed (int* features = code.Features)
            fixed (float* values = code.Values)
            {
                for (int row = start; row < end; row++)
                {
                    int at = code.RowOffsets[row];
                    Row(output + ((long)row * dModel), features + at, values + at, code.RowOffsets[row + 1] - at, decoder, bias, dModel);
                }
            }
        });
    }
}
