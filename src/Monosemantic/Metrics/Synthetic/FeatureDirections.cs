using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>Random directions of length 1, if asked pushed apart.</summary>
internal static class FeatureDirections
{
    private const int Chunk = 1024;

    /// <summary>Draws the directions and the bias, in this order, from one stream.</summary>
    /// <param name="config">How many, how wide.</param>
    /// <param name="progress">Told after each step of the descent.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <returns>Directions [n, d] and bias [d], row-major.</returns>
    internal static (float[] Directions, float[] Bias) Draw(SyntheticConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var random = new SeededRandom(config.Seed);
        float[] directions = new float[config.NumFeatures * config.HiddenDim], bias = new float[config.HiddenDim];
        for (int i = 0; i < directions.Length; i++) directions[i] = (float)random.NextNormal();
        for (int i = 0; i < bias.Length; i++) bias[i] = (float)random.NextNormal();
        double length = Math.Sqrt(bias.Sum(value => (double)value * value));
        for (int i = 0; i < bias.Length; i++) bias[i] = (float)(bias[i] / length * config.Bias);
        using var still = no_grad();
        using var scope = NewDisposeScope();
        Tensor rows = Normalised(TensorMemory.FromFloats(directions, config.NumFeatures, config.HiddenDim));
        if (config.Orthogonalization is { } descent) rows = Normalised(Descend(rows, descent, progress, cancellation));
        return (TensorMemory.Floats(rows.contiguous()).ToArray(), bias);
    }

    /// <summary>
    /// Adam (0.9, 0.999, 1e-8) on L = sum over ordered pairs of (f_i . f_j)^2 + N sum_i (|f_i|^2 - 1)^2, whose gradient is
    /// 4 sum_(j != i) (f_i . f_j) f_j + 4 N (|f_i|^2 - 1) f_i. Source: SAELens sae_lens/synthetic/feature_dictionary.py.
    /// </summary>
    internal static Tensor Descend(Tensor rows, OrthogonalizationConfig config, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        Tensor at = rows.clone(), mean = zeros_like(rows), square = zeros_like(rows);
        for (int step = 1; step <= config.NumSteps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            Tensor gradient = Gradient(at);
            mean.mul_(0.9).add_(gradient, alpha: 0.1);
            square.mul_(0.999).addcmul_(gradient, gradient, 0.001);
            Tensor denominator = (square / (1 - Math.Pow(0.999, step))).sqrt() + 1e-8;
            at.sub_(mean / denominator * (config.Lr / (1 - Math.Pow(0.9, step))));
            progress?.Report(new("orthogonalise", step, config.NumSteps, "steps"));
        }
        return at.MoveToOuterDisposeScope();
    }

    /// <summary>Gradient of the loss [n, d].</summary>
    internal static Tensor Gradient(Tensor rows)
    {
        using var scope = NewDisposeScope();
        long n = rows.shape[0];
        Tensor gradient = empty_like(rows), squares = (rows * rows).sum(1);
        for (long start = 0; start < n; start += Chunk)
        {
            using var inner = NewDisposeScope();
            long count = Math.Min(Chunk, n - start);
            Tensor part = rows.narrow(0, start, count), own = squares.narrow(0, start, count).unsqueeze(1);
            // The whole product, less the term of the row itself.
            Tensor cross = part.mm(rows.t()).mm(rows) - (own * part);
            gradient.narrow(0, start, count).copy_((cross * 4) + ((own - 1) * part * (4.0 * n)));
        }
        return gradient.MoveToOuterDisposeScope();
    }

    private static Tensor Normalised(Tensor rows) => rows / rows.norm(1).clamp(1e-8).unsqueeze(1);
}
