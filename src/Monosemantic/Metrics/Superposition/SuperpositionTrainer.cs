using System.Collections.Immutable;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics.Superposition;

/// <summary>
/// Trains toy models, all densities and starts side by side.
/// <code>
/// h = W x     x_hat = ReLU(W^T h + b)     loss = mean over batch and features of I_i (x_i - x_hat_i)^2
/// </code>
/// </summary>
/// <remarks>The data are those of the paper: x_i is 0 but for a share of samples (the density), where it is uniform between 0 and 1.</remarks>
public static class SuperpositionTrainer
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
    private const int Averaged = 100;

    /// <summary>Trains the models.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="progress">Told from time to time.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="UserErrorException">A setting makes no sense.</exception>
    public static SuperpositionResult Train(SuperpositionConfig config, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Check("the settings");
        using var still = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)config.Seed);
        int models = config.Densities.Length * config.Starts;
        Tensor w = Start(config, models), b = zeros(models, 1, config.Features), density = tensor(Densities(config)).view(models, 1, 1);
        Tensor importance = tensor(Enumerable.Range(0, config.Features).Select(i => (float)Math.Pow(config.ImportanceDecay, i)).ToArray());
        Tensor losses = zeros(models, ScalarType.Float64);
        Adam weights = new(w, config.Lr), biases = new(b, config.Lr);
        for (int step = 1; step <= config.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            Tensor present = rand([models, config.Batch, config.Features], generator: generator) < density;
            Tensor x = rand([models, config.Batch, config.Features], generator: generator) * present;
            (Tensor loss, Tensor gradientW, Tensor gradientB) = Gradients(config, w, b, x, importance);
            weights.Step(gradientW, step);
            biases.Step(gradientB, step);
            if (step > config.Steps - Averaged) losses.add_(loss.to(ScalarType.Float64));
            if (step % 200 == 0) progress?.Report(new("superposition", step, config.Steps, "steps"));
        }
        double[] means = [.. losses.data<double>().ToArray().Select(loss => loss / Math.Min(Averaged, config.Steps))];
        return new(config, [.. config.Densities.Select((_, i) => Best(config, i, means, w, b))]);
    }

    /// <summary>Losses [models] and their gradients, W as [models, n, m].</summary>
    internal static (Tensor Loss, Tensor W, Tensor B) Gradients(SuperpositionConfig config, Tensor w, Tensor b, Tensor x, Tensor importance)
    {
        Tensor h = x.bmm(w), output = h.bmm(w.transpose(1, 2)) + b;
        if (!config.Linear) output = output.relu();
        Tensor error = output - x, weighted = error * importance;
        Tensor loss = (weighted * error).mean([1L, 2L]);
        Tensor slope = weighted * (2.0 / (x.shape[1] * config.Features));
        if (!config.Linear) slope = slope * (output > 0);
        return (loss, slope.transpose(1, 2).bmm(h) + x.transpose(1, 2).bmm(slope.bmm(w)), slope.sum(1, keepdim: true));
    }

    /// <summary>Dimensionality and interference of each feature.</summary>
    /// <param name="directions">Columns of W [n][m].</param>
    internal static (double Dimensionality, double Interference)[] Geometry(double[][] directions) =>
    [
        .. directions.Select((own, i) =>
        {
            double square = Dot(own, own);
            if (square < 1e-12) return (0.0, 0.0);
            double interference = directions.Where((_, j) => j != i).Sum(other => Math.Pow(Dot(own, other), 2) / square);
            return (square / (square + interference), interference);
        }),
    ];

    private static SuperpositionInstance Best(SuperpositionConfig config, int density, double[] losses, Tensor w, Tensor b)
    {
        int model = Enumerable.Range(density * config.Starts, config.Starts).MinBy(i => losses[i]);
        float[] values = TensorMemory.Floats(w[model].contiguous()).ToArray(), bias = TensorMemory.Floats(b[model].contiguous()).ToArray();
        double[][] directions = [.. values.Chunk(config.Dims).Select(row => row.Select(value => (double)value).ToArray())];
        (double Dimensionality, double Interference)[] geometry = Geometry(directions);
        double frobenius = directions.Sum(row => Dot(row, row));
        return new()
        {
            Density = config.Densities[density],
            Loss = losses[model],
            Directions = [.. directions.Select(row => row.ToImmutableArray())],
            Bias = [.. bias.Select(value => (double)value)],
            Dimensionality = [.. geometry.Select(feature => feature.Dimensionality)],
            Interference = [.. geometry.Select(feature => feature.Interference)],
            Represented = directions.Count(row => Dot(row, row) > 0.25),
            DimensionsPerFeature = frobenius > 0 ? config.Dims / frobenius : null,
        };
    }

    // Xavier's normal, as in the paper's notebook.
    private static Tensor Start(SuperpositionConfig config, int models)
    {
        var random = new SeededRandom(config.Seed);
        double deviation = Math.Sqrt(2.0 / (config.Features + config.Dims));
        float[] values = [.. Enumerable.Range(0, models * config.Features * config.Dims).Select(_ => (float)(deviation * random.NextNormal()))];
        return TensorMemory.FromFloats(values, models, config.Features, config.Dims);
    }

    private static float[] Densities(SuperpositionConfig config) => [.. config.Densities.SelectMany(density => Enumerable.Repeat((float)density, config.Starts))];

    private static double Dot(double[] a, double[] b) => a.Zip(b).Sum(pair => pair.First * pair.Second);

    /// <summary>Adam on one tensor, in place.</summary>
    private sealed class Adam(Tensor parameter, double lr)
    {
        private readonly Tensor mean = zeros_like(parameter), square = zeros_like(parameter);

        internal void Step(Tensor gradient, int step)
        {
            mean.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
            square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
            Tensor denominator = (square / (1 - Math.Pow(Beta2, step))).sqrt() + Epsilon;
            parameter.sub_(mean / denominator * (lr / (1 - Math.Pow(Beta1, step))));
        }
    }
}
