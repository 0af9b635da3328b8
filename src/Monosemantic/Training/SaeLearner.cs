using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>Losses of one batch.</summary>
/// <param name="Loss">What is minimised.</param>
/// <param name="SquaredError">Sum over tokens of the squared length of x - x_hat.</param>
/// <param name="AuxLoss">Auxiliary loss before its coefficient.</param>
/// <param name="Variance">Sum over tokens of the squared distance from the batch's mean.</param>
/// <param name="Active">Number of feature activations.</param>
/// <param name="Dead">Number of dead features.</param>
internal sealed record BatchLosses(double Loss, double SquaredError, double AuxLoss, double Variance, int Active, int Dead);

/// <summary>
/// The arithmetic of training: <see cref="Load"/> a batch, <see cref="Compute"/> losses and gradients, <see cref="Update"/>
/// the weights. Everything after the encoder product touches only the features that fire. Equal bits for any number of threads.
/// </summary>
internal sealed unsafe class SaeLearner : IDisposable
{
    private const int RowsToARange = 64;
    private const int FeaturesToARange = 32;
    private readonly SaeTrainingConfig config;
    private readonly int threads, dModel;
    private readonly Tensor inputs, centred, residual;
    private readonly TopKEncoder encoder;
    private readonly AuxiliaryLoss auxiliary;
    private readonly CodeBuilder builder;
    private readonly FeatureEntries entries;
    private readonly double[] squaredErrors, squaredGradients;
    private readonly bool[] touched;

    internal SaeLearner(SaeTrainingConfig config, int dModel, int threads = 0)
    {
        (this.config, this.dModel, this.threads) = (config, dModel, ParallelRanges.Threads(threads));
        (Weights, Gradients) = (new(dModel, config.DSae), new(dModel, config.DSae));
        (Means, Squares) = (new(dModel, config.DSae), new(dModel, config.DSae));
        inputs = NewRows();
        residual = NewRows();
        centred = config.SubtractBDec ? NewRows() : inputs;
        encoder = new TopKEncoder(this.threads);
        auxiliary = new AuxiliaryLoss(config, dModel, this.threads, encoder);
        builder = new CodeBuilder(config.Batch, config.K);
        entries = new FeatureEntries(config.DSae);
        (squaredErrors, squaredGradients) = (new double[config.Batch], new double[config.DSae]);
        (touched, TokensSinceFired) = (new bool[config.DSae], new long[config.DSae]);
    }

    internal SaeWeights Weights { get; }

    internal SaeWeights Gradients { get; }

    /// <summary>Adam's means of gradients.</summary>
    internal SaeWeights Means { get; }

    /// <summary>Adam's means of squared gradients.</summary>
    internal SaeWeights Squares { get; }

    /// <summary>Tokens since each feature last fired [d_sae].</summary>
    internal long[] TokensSinceFired { get; }

    /// <summary>Updates made so far.</summary>
    internal long Updates { get; set; }

    /// <summary>Length of the whole gradient that <see cref="Compute"/> left.</summary>
    internal double GradientNorm { get; private set; }

    /// <summary>The code of the batch, for tests; valid until the next one.</summary>
    internal SparseCode Code { get; private set; } = null!;

    /// <summary>The batch's rows, scaled [n, d_model].</summary>
    internal Span<float> Inputs => new(At(inputs), Rows * dModel);

    /// <summary>x_hat - x [n, d_model].</summary>
    internal ReadOnlySpan<float> Residual => new(At(residual), Rows * dModel);

    internal int Rows { get; private set; }

    /// <summary>Which features took part in the batch [d_sae]; the gradient rows of the others are not written, and count as zero.</summary>
    internal ReadOnlySpan<bool> Touched => touched;

    /// <summary>Takes a batch.</summary>
    /// <param name="values">Activations [rows, d_model].</param>
    /// <param name="rows">Number of tokens, 1 to the config's batch.</param>
    /// <param name="scale">What to multiply them by.</param>
    /// <returns>The first row and column that is not a finite number, or null.</returns>
    internal (int Row, int Column)? Load(float[] values, int rows, double scale)
    {
        Rows = rows;
        float* to = At(inputs);
        var broken = new bool[(rows + RowsToARange - 1) / RowsToARange];
        ParallelRanges.For(rows, RowsToARange, threads, (start, end) =>
        {
            int count = (end - start) * dModel;
            fixed (float* from = &values[start * dModel])
            {
                RowKernels.Scale(to + ((long)start * dModel), from, (float)scale, count);
                broken[start / RowsToARange] = !RowKernels.AllFinite(from, count);
            }
        });
        int range = Array.IndexOf(broken, true);
        if (range < 0) return null;
        int at = Array.FindIndex(values, range * RowsToARange * dModel, value => !float.IsFinite(value));
        return (at / dModel, at % dModel);
    }

    /// <summary>Losses and gradients of the batch that was loaded; also counts which features fired.</summary>
    /// <param name="dead">Which features count as dead, for tests; null to go by the counters.</param>
    internal BatchLosses Compute(bool[]? dead = null)
    {
        using DisposeScope scope = NewDisposeScope();
        float* at = At(inputs);
        double variance = MatrixStatistics.SumSquaredDeviations(at, Rows, dModel, threads);
        Forward();
        double error = 0;
        for (int row = 0; row < Rows; row++) error += squaredErrors[row];
        double mainFactor = config.LossNormalisation == ErrorNormalisation.None ? 1.0 / Rows : Reciprocal(variance);
        CountFirings();
        int[] deadFeatures = DeadFeatures(dead);
        AuxiliaryTerm? aux = auxiliary.Compute(Centred(), residual.narrow(0, 0, Rows), Weights, deadFeatures, variance);
        Backward(new(entries, (nint)At(residual), (float)(2 * mainFactor)), aux);
        double auxLoss = aux?.Loss ?? 0;
        return new(mainFactor * error + (config.AuxCoefficient * auxLoss), error, auxLoss, variance, Code.Count, deadFeatures.Length);
    }

    /// <summary>Clips the gradient, takes one Adam step and keeps the decoder's rows at unit length.</summary>
    /// <param name="lr">Learning rate.</param>
    internal void Update(double lr)
    {
        Updates++;
        double clip = config.ClipGradNorm > 0 ? Math.Min(1, config.ClipGradNorm / (GradientNorm + 1e-6)) : 1;
        var adam = new FusedAdam(config, lr, Updates, clip);
        SaeWeights w = Weights, m = Means, v = Squares, g = Gradients;
        ParallelRanges.For(config.DSae, FeaturesToARange, threads, (start, end) =>
        {
            adam.Update(w.BEncAt + start, m.BEncAt + start, v.BEncAt + start, g.BEncAt + start, end - start);
            for (int feature = start; feature < end; feature++)
            {
                long at = (long)feature * dModel;
                bool any = touched[feature];
                adam.Update(w.EncoderAt + at, m.EncoderAt + at, v.EncoderAt + at, any ? g.EncoderAt + at : null, dModel);
                adam.Update(w.DecoderAt + at, m.DecoderAt + at, v.DecoderAt + at, any ? g.DecoderAt + at : null, dModel);
                if (config.UnitNormDecoder) DecoderNorm.Normalise(w.DecoderAt + at, dModel);
            }
        });
        adam.Update(w.BDecAt, m.BDecAt, v.BDecAt, g.BDecAt, dModel);
    }

    private void Forward()
    {
        SaeWeights w = Weights;
        float* x = At(inputs), xc = At(centred), r = At(residual);
        if (config.SubtractBDec)
        {
            ParallelRanges.For(Rows, RowsToARange, threads, (start, end) =>
            {
                for (long row = start; row < end; row++) RowKernels.Subtract(xc + (row * dModel), x + (row * dModel), w.BDecAt, dModel);
            });
        }
        encoder.Encode(Centred(), w.Encoder, w.BEnc, rectify: true, builder, (start, rows) => Reconstruct(x, r, start, rows));
        Code = builder.Close(Rows, config.DSae);
        entries.Transpose(Code);
    }

    private void Reconstruct(float* x, float* r, int start, int rows)
    {
        fixed (int* features = builder.Features)
        fixed (float* values = builder.Values)
        {
            for (int row = start; row < start + rows; row++)
            {
                long at = (long)row * config.K;
                float* into = r + ((long)row * dModel);
                SparseDecode.Row(into, features + at, values + at, builder.Counts[row], Weights.DecoderAt, Weights.BDecAt, dModel);
                squaredErrors[row] = RowKernels.SubtractAndSumSquares(into, x + ((long)row * dModel), dModel);
            }
        }
    }

    private void CountFirings()
    {
        for (int feature = 0; feature < TokensSinceFired.Length; feature++)
        {
            bool fired = entries.Offsets[feature + 1] > entries.Offsets[feature];
            TokensSinceFired[feature] = fired ? 0 : TokensSinceFired[feature] + Rows;
        }
    }

    private int[] DeadFeatures(bool[]? dead)
    {
        var features = new List<int>();
        for (int feature = 0; feature < config.DSae; feature++)
        {
            if (dead?[feature] ?? (TokensSinceFired[feature] >= config.DeadAfterTokens)) features.Add(feature);
        }
        return [.. features];
    }

    private void Backward(SparseGradients.Term main, AuxiliaryTerm? aux)
    {
        float* xc = At(centred);
        int ranges = (config.DSae + FeaturesToARange - 1) / FeaturesToARange;
        var throughEncoder = new float[ranges][];
        ParallelRanges.For(config.DSae, FeaturesToARange, threads, (start, end) =>
        {
            var partial = new float[dModel];
            for (int feature = start; feature < end; feature++) OfFeature(feature, main, aux, xc, partial);
            throughEncoder[start / FeaturesToARange] = partial;
        });
        double[] bias = Scaled(MatrixStatistics.ColumnSums((float*)main.Residual, Rows, dModel, threads), main.Scale);
        if (aux is { } term && config.AuxAddsBDec) AddScaled(bias, MatrixStatistics.ColumnSums((float*)term.Gradient.Residual, Rows, dModel, threads), term.Gradient.Scale);
        foreach (float[] partial in throughEncoder)
        {
            // b_dec is subtracted from every input, so the encoder's part of its gradient is -W_enc times that of b_enc.
            if (config.SubtractBDec) AddScaled(bias, Array.ConvertAll(partial, value => (double)value), -1);
        }
        double square = 0;
        foreach (double part in squaredGradients) square += part;
        for (int i = 0; i < dModel; i++)
        {
            Gradients.BDecAt[i] = (float)bias[i];
            square += bias[i] * bias[i];
        }
        GradientNorm = Math.Sqrt(square);
    }

    private void OfFeature(int feature, in SparseGradients.Term main, AuxiliaryTerm? aux, float* xc, float[] throughEncoder)
    {
        SaeWeights w = Weights, g = Gradients;
        long at = (long)feature * dModel;
        float* decoderRow = w.DecoderAt + at, decoderGradient = g.DecoderAt + at, encoderGradient = g.EncoderAt + at;
        bool inAux = aux is not null && aux.Gradient.Count(feature) > 0;
        touched[feature] = inAux || main.Count(feature) > 0;
        g.BEncAt[feature] = 0;
        squaredGradients[feature] = 0;
        if (!touched[feature]) return;
        new Span<float>(decoderGradient, dModel).Clear();
        new Span<float>(encoderGradient, dModel).Clear();
        float bias = SparseGradients.Add(main, feature, xc, decoderRow, decoderGradient, encoderGradient, dModel);
        if (inAux) bias += SparseGradients.Add(aux!.Gradient, feature, xc, decoderRow, decoderGradient, encoderGradient, dModel);
        if (config.UnitNormDecoder) DecoderNorm.RemoveParallel(decoderGradient, decoderRow, dModel);
        g.BEncAt[feature] = bias;
        fixed (float* partial = throughEncoder) RowKernels.AddScaled(partial, w.EncoderAt + at, bias, dModel);
        squaredGradients[feature] = (double)RowKernels.Dot(decoderGradient, decoderGradient, dModel)
            + RowKernels.Dot(encoderGradient, encoderGradient, dModel) + ((double)bias * bias);
    }

    private Tensor Centred() => centred.narrow(0, 0, Rows);

    private Tensor NewRows() => empty(config.Batch, dModel, dtype: ScalarType.Float32).DetachFromDisposeScope();

    private static float* At(Tensor tensor) => (float*)TensorMemory.Address(tensor);

    private static double Reciprocal(double value) => value > 0 ? 1 / value : 0;

    private static double[] Scaled(double[] values, double scale) => Array.ConvertAll(values, value => value * scale);

    private static void AddScaled(double[] to, double[] values, double scale)
    {
        for (int i = 0; i < to.Length; i++) to[i] += values[i] * scale;
    }

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        foreach (SaeWeights weights in new[] { Weights, Gradients, Means, Squares }) weights.Dispose();
        if (config.SubtractBDec) centred.Dispose();
        inputs.Dispose();
        residual.Dispose();
        auxiliary.Dispose();
        encoder.Dispose();
    }
}
