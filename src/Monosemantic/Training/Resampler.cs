using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// Resampling of dead features. Inputs are drawn without replacement with probability proportional to a power of their
/// loss; while the window before a resampling goes by, those that would be drawn so far are kept (Efraimidis and Spirakis
/// 2006: the largest u^(1/weight)), so that memory is that of the dictionary however many inputs are drawn from.
/// </summary>
internal sealed unsafe class Resampler : IDisposable
{
    private const float EncoderShare = 0.2f;
    private readonly SaeTrainingConfig config;
    private readonly ResamplingConfig resampling;
    private readonly SaeOptimiser.State state;
    private readonly PriorityQueue<int, double> drawn = new();
    private readonly double[] keys;
    private readonly Tensor rows;
    private readonly float* rowsAt;

    internal Resampler(SaeTrainingConfig config, SaeOptimiser.State state)
    {
        (this.config, this.state, resampling) = (config, state, config.Resampling!);
        keys = new double[config.DSae];
        rows = zeros(config.DSae, state.Weights.DIn, dtype: ScalarType.Float32).DetachFromDisposeScope();
        rowsAt = (float*)TensorMemory.Address(rows);
        StepsSince = new long[config.DSae];
        Clear();
    }

    /// <summary>Steps since each feature last fired [d_sae].</summary>
    internal long[] StepsSince { get; }

    /// <summary>Resamplings so far.</summary>
    internal int Times { get; private set; }

    /// <summary>What the checkpoint keeps.</summary>
    internal IEnumerable<KeyValuePair<string, Tensor>> Checkpoint =>
    [
        new("resampling.rows", rows), new("resampling.keys", tensor(keys)), new("resampling.steps_since", tensor(StepsSince)), new("resampling.times", tensor(new[] { (long)Times })),
    ];

    /// <summary>Goes on from a checkpoint.</summary>
    internal void Restore(Tensor keptRows, ReadOnlySpan<double> keptKeys, ReadOnlySpan<long> steps, long times)
    {
        rows.copy_(keptRows);
        keptKeys.CopyTo(keys);
        steps.CopyTo(StepsSince);
        Times = (int)times;
        drawn.Clear();
        for (int place = 0; place < keys.Length; place++) if (!double.IsNegativeInfinity(keys[place])) drawn.Enqueue(place, keys[place]);
    }

    /// <summary>Takes a finished step into account, and resamples where it is time.</summary>
    /// <param name="step">Number of the step, from 0.</param>
    /// <param name="fired">Which features fired in it.</param>
    /// <param name="inputs">Its inputs [n, d_in].</param>
    /// <param name="squaredErrors">Squared error of each.</param>
    /// <param name="count">n.</param>
    internal void AfterStep(long step, bool[] fired, ReadOnlySpan<float> inputs, double[] squaredErrors, int count)
    {
        for (int feature = 0; feature < fired.Length; feature++) StepsSince[feature] = fired[feature] ? 0 : StepsSince[feature] + 1;
        if (Times >= resampling.Times) return;
        long left = resampling.Every - 1 - (step % resampling.Every);
        bool batchOnly = resampling.Kind == ResamplingKind.BatchError;
        if (batchOnly ? left == 0 : left * config.Batch < resampling.Inputs) Draw(step, inputs, squaredErrors, count, batchOnly ? 0.5 : 2);
        if (left > 0) return;
        Replace();
        Times++;
        Clear();
    }

    private void Draw(long step, ReadOnlySpan<float> inputs, double[] squaredErrors, int count, double power)
    {
        var random = new SeededRandom(config.Seed, step + 7_000_000_000);
        int width = state.Weights.DIn;
        for (int row = 0; row < count; row++)
        {
            double weight = Math.Pow(squaredErrors[row], power), uniform = 1 - random.NextDouble();
            if (!(weight > 0)) continue;
            // The logarithm of u^(1/weight), which has digits left where weights are large.
            double key = Math.Log(uniform) / weight;
            int place;
            if (drawn.Count < keys.Length) place = drawn.Count;
            else if (drawn.TryPeek(out place, out double least) && key > least) drawn.Dequeue();
            else continue;
            drawn.Enqueue(place, key);
            keys[place] = key;
            inputs.Slice(row * width, width).CopyTo(new Span<float>(rowsAt + ((long)place * width), width));
        }
    }

    private void Replace()
    {
        SaeWeights weights = state.Weights;
        int[] dead = [.. Enumerable.Range(0, config.DSae).Where(feature => StepsSince[feature] > resampling.Every / 2)];
        int[] places = [.. Enumerable.Range(0, keys.Length).Where(place => !double.IsNegativeInfinity(keys[place])).OrderByDescending(place => keys[place]).ThenBy(place => place).Take(dead.Length)];
        float size = EncoderShare * MeanLivingNorm(dead);
        for (int i = 0; i < places.Length; i++)
        {
            float* input = rowsAt + ((long)places[i] * weights.DIn), encoder = weights.EncoderAt + ((long)dead[i] * weights.DIn), decoder = weights.DecoderAt + ((long)dead[i] * weights.DOut);
            float length = MathF.Sqrt(RowKernels.Dot(input, input, weights.DIn));
            if (!(length > 0)) continue;
            RowKernels.Scale(decoder, input, 1 / length, weights.DOut);
            RowKernels.Scale(encoder, input, resampling.Kind == ResamplingKind.BatchError ? size : size / length, weights.DIn);
            weights.BEncAt[dead[i]] = 0;
            StepsSince[dead[i]] = 0;
        }
        foreach (int feature in dead)
        {
            Forget(state.Means, feature);
            Forget(state.Squares, feature);
        }
    }

    private float MeanLivingNorm(int[] dead)
    {
        var isDead = new bool[config.DSae];
        foreach (int feature in dead) isDead[feature] = true;
        SaeWeights weights = state.Weights;
        double sum = 0;
        for (long feature = 0; feature < config.DSae; feature++)
        {
            float* row = weights.EncoderAt + (feature * weights.DIn);
            if (!isDead[feature]) sum += MathF.Sqrt(RowKernels.Dot(row, row, weights.DIn));
        }
        return dead.Length == config.DSae ? 1 : (float)(sum / (config.DSae - dead.Length));
    }

    private static void Forget(SaeWeights moments, int feature)
    {
        new Span<float>(moments.EncoderAt + ((long)feature * moments.DIn), moments.DIn).Clear();
        new Span<float>(moments.DecoderAt + ((long)feature * moments.DOut), moments.DOut).Clear();
        moments.BEncAt[feature] = 0;
    }

    private void Clear()
    {
        drawn.Clear();
        Array.Fill(keys, double.NegativeInfinity);
    }

    /// <summary>Frees the inputs.</summary>
    public void Dispose() => rows.Dispose();
}
