namespace Monosemantic.Dictionaries;

/// <summary>
/// Gradients of a squared-error term by hand, feature by feature, over the tokens on which the feature fires:
/// with e = dL/dx_hat, dW_dec[j] = sum f_j e, dL/df_j = e . W_dec[j], dW_enc[j] = sum dL/df_j x and db_enc[j] = sum dL/df_j.
/// A selected feature activation is its pre-activation, so dL/df_j is the gradient of that too.
/// </summary>
internal static unsafe class SparseGradients
{
    /// <summary>One squared-error term: its code and its residual.</summary>
    /// <param name="Entries">Where each feature fires.</param>
    /// <param name="Residual">x_hat - target [n, d_model].</param>
    /// <param name="Scale">dL/dx_hat = scale * residual.</param>
    /// <param name="TrainsEncoder">Whether the feature activations' gradient goes on to the encoder.</param>
    internal readonly record struct Term(FeatureEntries Entries, nint Residual, float Scale, bool TrainsEncoder = true)
    {
        internal int Count(int feature) => Entries.Offsets[feature + 1] - Entries.Offsets[feature];
    }

    /// <summary>Adds one term's gradient for one feature.</summary>
    /// <param name="term">The term.</param>
    /// <param name="feature">Which feature.</param>
    /// <param name="inputs">Centred inputs [n, d_model].</param>
    /// <param name="decoderRow">W_dec[feature] [d_model].</param>
    /// <param name="decoderGradient">Its gradient, added to [d_model].</param>
    /// <param name="encoderGradient">The encoder row's gradient, added to [d_model].</param>
    /// <param name="dModel">Width of a row.</param>
    /// <returns>The term's part of the encoder bias' gradient.</returns>
    internal static float Add(in Term term, int feature, float* inputs, float* decoderRow, float* decoderGradient, float* encoderGradient, int dModel)
    {
        float* residual = (float*)term.Residual;
        float** rows = stackalloc float*[4];
        float* scales = stackalloc float[4];
        float* dots = stackalloc float[4];
        int[] tokens = term.Entries.Rows;
        float[] values = term.Entries.Values;
        int at = term.Entries.Offsets[feature], end = term.Entries.Offsets[feature + 1];
        float bias = 0;
        for (; at <= end - 4; at += 4)
        {
            for (int i = 0; i < 4; i++)
            {
                rows[i] = residual + ((long)tokens[at + i] * dModel);
                scales[i] = term.Scale * values[at + i];
            }
            RowKernels.DotAndAddScaled4(decoderRow, decoderGradient, rows, scales, dots, dModel);
            if (!term.TrainsEncoder) continue;
            for (int i = 0; i < 4; i++)
            {
                rows[i] = inputs + ((long)tokens[at + i] * dModel);
                dots[i] *= term.Scale;
                bias += dots[i];
            }
            RowKernels.AddScaled4(encoderGradient, rows, dots, dModel);
        }
        for (; at < end; at++)
        {
            float* row = residual + ((long)tokens[at] * dModel);
            float gradient = term.Scale * RowKernels.Dot(row, decoderRow, dModel);
            RowKernels.AddScaled(decoderGradient, row, term.Scale * values[at], dModel);
            if (!term.TrainsEncoder) continue;
            RowKernels.AddScaled(encoderGradient, inputs + ((long)tokens[at] * dModel), gradient, dModel);
            bias += gradient;
        }
        return bias;
    }
}
