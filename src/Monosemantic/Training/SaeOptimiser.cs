using System.Runtime.Intrinsics;
using Monosemantic.Dictionaries;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>Updates the weights of an autoencoder from their gradients, and keeps the decoder's rows at unit length where asked.</summary>
internal sealed unsafe class SaeOptimiser(SaeTrainingConfig config, int threads)
{
    private const int FeaturesToARange = 32;
    private const int NewtonSchulzRounds = 5;

    /// <summary>Arrays that change together.</summary>
    /// <param name="Weights">Parameters.</param>
    /// <param name="Gradients">Their gradients.</param>
    /// <param name="Means">Averages of gradients.</param>
    /// <param name="Squares">Averages of squared gradients.</param>
    internal sealed record State(SaeWeights Weights, SaeWeights Gradients, SaeWeights Means, SaeWeights Squares);

    /// <summary>Takes one step.</summary>
    /// <param name="state">The arrays.</param>
    /// <param name="touched">Features whose gradient rows were written; those of the others are zero.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="clip">What gradients are multiplied by.</param>
    internal void Update(State state, bool[] touched, double lr, long step, double clip)
    {
        if (config.Optimiser == OptimiserKind.Muon)
        {
            Orthogonal(state, touched, lr, step, clip);
            return;
        }
        var adam = new FusedAdam(config, lr, step, clip);
        bool sign = config.Optimiser == OptimiserKind.Signum;
        SaeWeights w = state.Weights, m = state.Means, v = state.Squares, g = state.Gradients;
        ParallelRanges.For(w.DSae, FeaturesToARange, threads, (start, end) =>
        {
            for (int feature = start; feature < end; feature++)
            {
                long inAt = (long)feature * w.DIn, outAt = (long)feature * w.DOut;
                bool any = touched[feature];
                if (!w.Shape.Tied) One(w.EncoderAt + inAt, m.EncoderAt + inAt, v.EncoderAt + inAt, any ? g.EncoderAt + inAt : null, w.DIn);
                One(w.DecoderAt + outAt, m.DecoderAt + outAt, v.DecoderAt + outAt, any ? g.DecoderAt + outAt : null, w.DOut);
                if (config.UnitNormDecoder) DecoderNorm.Normalise(w.DecoderAt + outAt, w.DOut);
            }
        });
        if (!w.Shape.Tied) One(w.BEncAt, m.BEncAt, v.BEncAt, g.BEncAt, w.DSae);
        One(w.BDecAt, m.BDecAt, v.BDecAt, g.BDecAt, w.DOut);
        for (int i = 0; i < w.Features.Length; i++) One(w.FeaturesAt(i), m.FeaturesAt(i), v.FeaturesAt(i), g.FeaturesAt(i), w.DSae);
        if (w.Shape.Skip) One(w.SkipAt, m.SkipAt, v.SkipAt, g.SkipAt, (long)w.DIn * w.DOut);

        void One(float* parameters, float* mean, float* square, float* gradient, long count)
        {
            if (sign) Signum(parameters, mean, gradient, count, (float)lr, (float)config.Momentum, (float)clip);
            else adam.Update(parameters, mean, square, gradient, count);
        }
    }

    // m = beta m + (1 - beta) g; w -= lr sign(m)
    private static void Signum(float* parameters, float* mean, float* gradient, long count, float lr, float keep, float clip)
    {
        long i = 0;
        Vector256<float> sign = Vector256.Create(-0f), rate = Vector256.Create(lr);
        for (; i <= count - 8; i += 8)
        {
            Vector256<float> m = Vector256.Load(mean + i) * keep;
            if (gradient != null) m += Vector256.Load(gradient + i) * (clip * (1 - keep));
            m.Store(mean + i);
            Vector256<float> move = Vector256.ConditionalSelect(Vector256.Equals(m, Vector256<float>.Zero), Vector256<float>.Zero, rate | (m & sign));
            (Vector256.Load(parameters + i) - move).Store(parameters + i);
        }
        for (; i < count; i++)
        {
            mean[i] = (mean[i] * keep) + (gradient == null ? 0 : gradient[i] * (clip * (1 - keep)));
            parameters[i] -= lr * Math.Sign(mean[i]);
        }
    }

    // Muon for the matrices; vectors have no shape to orthogonalise and take Adam.
    private void Orthogonal(State state, bool[] touched, double lr, long step, double clip)
    {
        using DisposeScope scope = NewDisposeScope();
        SaeWeights w = state.Weights, m = state.Means, v = state.Squares, g = state.Gradients;
        ClearUntouched(g, touched);
        (Tensor, Tensor, Tensor)[] matrices = [.. new (Tensor?, Tensor?, Tensor?)[] { (w.Encoder, m.Encoder, g.Encoder), (w.Decoder, m.Decoder, g.Decoder), (w.Skip, m.Skip, g.Skip) }.Where(triple => triple.Item1 is { } matrix && matrix.numel() > 0)!];
        foreach ((Tensor parameters, Tensor mean, Tensor gradient) in matrices)
        {
            mean.mul_(config.Momentum).add_(gradient, alpha: clip);
            Tensor direction = NewtonSchulz((gradient * clip) + (mean * config.Momentum));
            parameters.add_(direction, alpha: -lr * Math.Sqrt(Math.Max(1, parameters.shape[0] / (double)parameters.shape[1])));
        }
        var adam = new FusedAdam(config, lr, step, clip);
        if (!w.Shape.Tied) adam.Update(w.BEncAt, m.BEncAt, v.BEncAt, g.BEncAt, w.DSae);
        adam.Update(w.BDecAt, m.BDecAt, v.BDecAt, g.BDecAt, w.DOut);
        for (int i = 0; i < w.Features.Length; i++) adam.Update(w.FeaturesAt(i), m.FeaturesAt(i), v.FeaturesAt(i), g.FeaturesAt(i), w.DSae);
        if (!config.UnitNormDecoder) return;
        for (long feature = 0; feature < w.DSae; feature++) DecoderNorm.Normalise(w.DecoderAt + (feature * w.DOut), w.DOut);
    }

    // Five rounds of X <- a X + (b A + c A A) X with A = X X', on the short side, bring all singular values near 1.
    private static Tensor NewtonSchulz(Tensor matrix)
    {
        bool tall = matrix.shape[0] > matrix.shape[1];
        Tensor x = tall ? matrix.t() : matrix;
        x = x / (x.norm() + 1e-7);
        using ProductThreads.Lease single = ProductThreads.Single();
        for (int round = 0; round < NewtonSchulzRounds; round++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor square = x.mm(x.t());
            Tensor polynomial = (square * -4.7750) + (square.mm(square) * 2.0315);
            x = ((x * 3.4445) + polynomial.mm(x)).MoveToOuterDisposeScope();
        }
        return tall ? x.t() : x;
    }

    /// <summary>Writes the zeros that untouched features' gradients stand for.</summary>
    internal static void ClearUntouched(SaeWeights gradients, ReadOnlySpan<bool> touched)
    {
        for (int feature = 0; feature < touched.Length; feature++)
        {
            if (touched[feature]) continue;
            new Span<float>(gradients.DecoderAt + ((long)feature * gradients.DOut), gradients.DOut).Clear();
            if (!gradients.Shape.Tied) new Span<float>(gradients.EncoderAt + ((long)feature * gradients.DIn), gradients.DIn).Clear();
        }
    }
}
