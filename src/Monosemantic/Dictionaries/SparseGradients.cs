namespace Monosemantic.Dictionaries;

/// <summary>
/// Gradients by hand, feature by feature, over the tokens on which the feature has an entry: with e = dL/dx_hat and c the
/// derivative by the encoder product, dL/df_j = e . W_dec[j], dW_dec[j] = sum f_j e and dW_enc[j] = sum c_j x.
/// </summary>
internal static unsafe class SparseGradients
{
    /// <summary>Back through the decoder.</summary>
    /// <param name="rows">Token of each entry.</param>
    /// <param name="values">What the decoder was given.</param>
    /// <param name="count">Number of entries.</param>
    /// <param name="residual">x_hat - target [n, d_out].</param>
    /// <param name="scale">dL/dx_hat = scale * residual.</param>
    /// <param name="decoderRow">W_dec of the feature [d_out].</param>
    /// <param name="decoderGradient">Its gradient, added to [d_out]; null where the decoder is not trained by this.</param>
    /// <param name="dots">Receives dL/df of each entry.</param>
    /// <param name="width">d_out.</param>
    internal static void ThroughDecoder(int* rows, float* values, int count, float* residual, float scale, float* decoderRow, float* decoderGradient, float* dots, int width)
    {
        float** four = stackalloc float*[4];
        float* scales = stackalloc float[4];
        int at = 0;
        for (; decoderGradient != null && at <= count - 4; at += 4)
        {
            for (int i = at + 4; i < Math.Min(at + 8, count); i++) RowKernels.Expect(residual + ((long)rows[i] * width));
            for (int i = 0; i < 4; i++)
            {
                four[i] = residual + ((long)rows[at + i] * width);
                scales[i] = scale * values[at + i];
            }
            RowKernels.DotAndAddScaled4(decoderRow, decoderGradient, four, scales, dots + at, width);
            for (int i = 0; i < 4; i++) dots[at + i] *= scale;
        }
        for (; at < count; at++)
        {
            float* row = residual + ((long)rows[at] * width);
            dots[at] = scale * RowKernels.Dot(row, decoderRow, width);
            if (decoderGradient != null) RowKernels.AddScaled(decoderGradient, row, scale * values[at], width);
        }
    }

    /// <summary>Back through the encoder.</summary>
    /// <param name="rows">Token of each entry.</param>
    /// <param name="gradients">Derivative by the encoder product of each entry.</param>
    /// <param name="count">Number of entries.</param>
    /// <param name="inputs">Centred inputs [n, d_in].</param>
    /// <param name="encoderGradient">Gradient of the encoder row, added to [d_in].</param>
    /// <param name="width">d_in.</param>
    internal static void ThroughEncoder(int* rows, float* gradients, int count, float* inputs, float* encoderGradient, int width)
    {
        float** four = stackalloc float*[4];
        int at = 0;
        for (; at <= count - 4; at += 4)
        {
            for (int i = at + 4; i < Math.Min(at + 8, count); i++) RowKernels.Expect(inputs + ((long)rows[i] * width));
            for (int i = 0; i < 4; i++) four[i] = inputs + ((long)rows[at + i] * width);
            RowKernels.AddScaled4(encoderGradient, four, gradients + at, width);
        }
        for (; at < count; at++) RowKernels.AddScaled(encoderGradient, inputs + ((long)rows[at] * width), gradients[at], width);
    }
}
