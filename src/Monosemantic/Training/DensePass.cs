using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// Forward and backward of a batch whose code is not sparse (early in training with an L1 loss half of all features fire),
/// by dense products over tiles of tokens. Tiles lie feature by feature, so that the architecture's own rule sees the same
/// entries as in the sparse way, a whole tile's tokens at a time. Products are cut into fixed blocks: no bit depends on threads.
/// </summary>
internal sealed unsafe class DensePass(SaeTrainingConfig config, TrainingRule rule, SaeWeights weights, SaeWeights gradients, Reconstruction reconstruction, SparseBackward backward, int threads) : IDisposable
{
    private const int Tokens = 128, FeatureBlock = 256, TokenBlock = 32;
    private readonly Tensor pres = NewTile(weights.DSae), values = NewTile(weights.DSae), dots = NewTile(weights.DSae), second = NewTile(rule.HasSecond ? weights.DSae : 0);

    /// <summary>Number of feature activations above 0, and in which features they were.</summary>
    internal (long Active, bool[] Fired) Counts { get; private set; } = (0, []);

    /// <summary>Computes errors and gradients.</summary>
    /// <param name="centred">Centred inputs [n, d_in].</param>
    /// <param name="targets">Targets [n, d_out].</param>
    /// <param name="bases">What reconstructions start from [n, d_out]; null for b_dec.</param>
    /// <param name="step">Where training stands.</param>
    /// <param name="main">dL/dx_hat over the error.</param>
    /// <param name="secondScale">The same of the second reconstruction.</param>
    /// <returns>What the encoder passes on to the centred inputs [d_in]; empty where b_dec is not subtracted.</returns>
    internal double[] Run(Tensor centred, Tensor targets, Tensor? bases, StepContext step, float main, float secondScale)
    {
        var sums = new FeatureSums[weights.DSae];
        var products = new double[weights.DSae];
        var active = new long[weights.DSae];
        gradients.Encoder.zero_();
        gradients.Decoder.zero_();
        for (int start = 0; start < step.Rows; start += Tokens)
        {
            using DisposeScope scope = NewDisposeScope();
            int rows = Math.Min(Tokens, step.Rows - start);
            Tensor x = centred.narrow(0, start, rows), target = targets.narrow(0, start, rows);
            Encode(x, rows, active, step);
            if (rule.Options.Sparsity == SparsityLoss.Lp && step.Power != 1) RowPowers(start, rows, step, step.RowPowers, step.Power);
            if (step.NextPower is { } next) RowPowers(start, rows, step, step.NextRowPowers, next);
            Decode(values, reconstruction.Residual.narrow(0, start, rows), bases?.narrow(0, start, rows), rows);
            reconstruction.Finish(start, rows, (float*)TensorMemory.Address(targets), ofSecond: false);
            if (rule.HasSecond)
            {
                Decode(pres, SecondRows(start, rows), bases?.narrow(0, start, rows), rows);
                reconstruction.Finish(start, rows, (float*)TensorMemory.Address(targets), ofSecond: true);
            }
            Back(x, start, rows, step, main, secondScale, sums, products);
        }
        return Finish(sums, products, active);
    }

    private void Encode(Tensor x, int rows, long[] active, StepContext step)
    {
        float* presAt = At(pres), valuesAt = At(values);
        Blocks(weights.DSae, FeatureBlock, (start, end) =>
        {
            Tile(pres, start, end, rows).addmm_(weights.Encoder.narrow(0, start, end - start), x.t(), beta: 0f, alpha: 1f);
            int* same = stackalloc int[rows];
            for (int feature = start; feature < end; feature++)
            {
                float* pre = presAt + ((long)feature * Tokens), value = valuesAt + ((long)feature * Tokens);
                new Span<int>(same, rows).Fill(feature);
                for (int row = 0; row < rows; row++) value[row] = pre[row] = rule.Pre(feature, pre[row]);
                rule.Activate(same, pre, value, rows, step);
                for (int row = 0; row < rows; row++)
                {
                    if (rule.Selects(feature, pre[row]))
                    {
                        if (value[row] != 0) active[feature]++;
                        continue;
                    }
                    value[row] = 0;
                    if (rule.HasSecond) pre[row] = 0;
                }
            }
        });
    }

    // (sum v^p) of each token, over all features.
    private void RowPowers(int start, int rows, StepContext step, double[] into, double power)
    {
        float* valuesAt = At(rule.PenalisesPres ? pres : values);
        Array.Clear(into, start, rows);
        for (int feature = 0; feature < weights.DSae; feature++)
        {
            for (int row = 0; row < rows; row++) into[start + row] += SparsityTerm.RowPower(rule.Options, &feature, valuesAt + ((long)feature * Tokens) + row, 1, step, power);
        }
    }

    private void Decode(Tensor code, Tensor into, Tensor? bases, int rows) => Blocks(rows, TokenBlock, (start, end) =>
    {
        Tensor part = into.narrow(0, start, end - start);
        if (bases is null) part.copy_(weights.BDec.unsqueeze(0).expand(end - start, weights.DOut));
        else part.copy_(bases.narrow(0, start, end - start));
        part.addmm_(code.narrow(1, start, end - start).t(), weights.Decoder, beta: 1f, alpha: 1f);
    });

    private void Back(Tensor x, int start, int rows, StepContext step, float main, float secondScale, FeatureSums[] sums, double[] products)
    {
        Tensor error = reconstruction.Residual.narrow(0, start, rows), secondError = rule.HasSecond ? SecondRows(start, rows) : error;
        float* presAt = At(pres), valuesAt = At(values), dotsAt = At(dots), secondAt = rule.HasSecond ? At(second) : null;
        bool trains = config.GateTrainsDecoder || config.MultiTopK > 1;
        int[] tokens = [.. Enumerable.Range(start, rows)];
        Blocks(weights.DSae, FeatureBlock, (from, to) =>
        {
            Tensor decoder = weights.Decoder.narrow(0, from, to - from), decoderGradient = gradients.Decoder.narrow(0, from, to - from);
            Tile(dots, from, to, rows).addmm_(decoder, error.t(), beta: 0f, alpha: main);
            decoderGradient.addmm_(Tile(values, from, to, rows), error, beta: 1f, alpha: main);
            if (rule.HasSecond)
            {
                Tile(second, from, to, rows).addmm_(decoder, secondError.t(), beta: 0f, alpha: secondScale);
                if (trains) decoderGradient.addmm_(Tile(pres, from, to, rows), secondError, beta: 1f, alpha: secondScale);
            }
            fixed (int* tokensAt = tokens)
            {
                for (int feature = from; feature < to; feature++)
                {
                    long at = (long)feature * Tokens;
                    Differentiate(feature, new() { Count = rows, RowsSeen = rows, Rows = tokensAt, Pres = presAt + at, Values = valuesAt + at, Gradients = dotsAt + at, SecondGradients = secondAt == null ? null : secondAt + at }, step, ref sums[feature], ref products[feature]);
                }
            }
            gradients.Encoder.narrow(0, from, to - from).addmm_(Tile(dots, from, to, rows), x, beta: 1f, alpha: 1f);
        });
    }

    // The rule is given only those that have an entry, closed up, and its results are spread again; the rest have none.
    private void Differentiate(int feature, FeatureEntriesSpan all, StepContext step, ref FeatureSums sum, ref double product)
    {
        int* places = stackalloc int[all.Count], rows = stackalloc int[all.Count];
        int count = 0;
        for (int i = 0; i < all.Count; i++)
        {
            if (!rule.Selects(feature, all.Pres[i])) continue;
            (places[count], rows[count]) = (i, all.Rows[i]);
            (all.Pres[count], all.Values[count], all.Gradients[count]) = (all.Pres[i], all.Values[i], all.Gradients[i]);
            if (all.SecondGradients != null) all.SecondGradients[count] = all.SecondGradients[i];
            count++;
        }
        var span = all;
        span.Count = count;
        span.Rows = rows;
        rule.Differentiate(feature, ref span, step, ref sum);
        for (int i = 0; i < count; i++) product += span.Gradients[i];
        for (int i = all.Count - 1, left = count - 1; i >= 0; i--) all.Gradients[i] = left >= 0 && places[left] == i ? span.Gradients[left--] : 0;
    }

    private double[] Finish(FeatureSums[] sums, double[] products, long[] active)
    {
        var through = new double[config.SubtractBDec ? weights.DIn : 0];
        for (int feature = 0; feature < weights.DSae; feature++)
        {
            backward.Touched[feature] = true;
            backward.Finish(feature, (long)feature * weights.DIn, (long)feature * weights.DOut, ref sums[feature]);
            for (int i = 0; i < through.Length; i++) through[i] += products[feature] * weights.EncoderAt[((long)feature * weights.DIn) + i];
        }
        Counts = (active.Sum(), Array.ConvertAll(active, count => count > 0));
        return through;
    }

    private Tensor SecondRows(int start, int rows) => reconstruction.Second!.narrow(0, start, rows);

    private static Tensor Tile(Tensor tile, int start, int end, int rows) => tile.narrow(0, start, end - start).narrow(1, 0, rows);

    private void Blocks(int count, int size, Action<int, int> body) => ParallelRanges.For(count, size, threads, (start, end) =>
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        body(start, end);
    });

    private static float* At(Tensor tensor) => (float*)TensorMemory.Address(tensor);

    private static Tensor NewTile(int features) => empty(features, Tokens, dtype: ScalarType.Float32).DetachFromDisposeScope();

    /// <summary>Frees the tiles.</summary>
    public void Dispose()
    {
        foreach (Tensor tile in new[] { pres, values, dots, second }) tile.Dispose();
    }
}
