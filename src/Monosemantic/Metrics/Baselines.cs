using System.Collections.Immutable;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>A reconstruction that needs no training, to hold a dictionary against.</summary>
internal abstract class Baseline : IDisposable
{
    /// <summary>Its name in <c>metrics.json</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What it does, in one line.</summary>
    public abstract string Description { get; }

    /// <summary>Reconstructs rows.</summary>
    /// <param name="x">Activations [n, d_model]; may be longer.</param>
    /// <param name="rows">n.</param>
    /// <param name="output">Receives x_hat [n, d_model].</param>
    public abstract void Reconstruct(float[] x, int rows, float[] output);

    /// <summary>Reconstructs activations, for the model to go on with.</summary>
    /// <param name="x">Activations [n, d_model].</param>
    /// <returns>x_hat [n, d_model].</returns>
    internal Tensor Reconstruct(Tensor x)
    {
        using var scope = NewDisposeScope();
        float[] values = TensorMemory.Floats(x.detach().contiguous()).ToArray(), output = new float[values.Length];
        Reconstruct(values, (int)x.shape[0], output);
        return TensorMemory.FromFloats(output, x.shape).MoveToOuterDisposeScope();
    }

    /// <summary>Every baseline, one line each.</summary>
    /// <param name="fit">What was learnt from training rows.</param>
    /// <param name="k">Coordinates or features to a token: the dictionary's mean L0, rounded.</param>
    /// <param name="dSae">Number of features of the dictionary.</param>
    internal static ImmutableArray<Baseline> All(BaselineFit fit, int k, int dSae) =>
    [
        new MeanBaseline(fit),
        new NeuronBaseline(fit, Math.Min(k, fit.DModel)),
        new PrincipalComponents(fit, Math.Min(k, fit.DModel)),
        new RandomDictionary(fit, Math.Min(k, dSae), dSae),
    ];

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>x_hat = m, the mean of training rows.</summary>
internal sealed class MeanBaseline(BaselineFit fit) : Baseline
{
    /// <inheritdoc/>
    public override string Name => "mean";

    /// <inheritdoc/>
    public override string Description => "the mean of training rows, for every token";

    /// <inheritdoc/>
    public override void Reconstruct(float[] x, int rows, float[] output)
    {
        for (int row = 0; row < rows; row++) fit.Mean.CopyTo(output.AsSpan(row * fit.DModel));
    }
}

/// <summary>The k coordinates of a token that lie farthest from their mean; the others at their mean.</summary>
internal sealed class NeuronBaseline(BaselineFit fit, int k) : Baseline
{
    private const int RowsToARange = 64;

    /// <inheritdoc/>
    public override string Name => "neurons";

    /// <inheritdoc/>
    public override string Description => $"the {k} coordinates of each token farthest from their mean (largest |x_j - m_j|), the others at their mean";

    /// <inheritdoc/>
    public override void Reconstruct(float[] x, int rows, float[] output) => Parallel.For(0, (rows + RowsToARange - 1) / RowsToARange, range =>
    {
        float[] keys = new float[fit.DModel];
        int[] order = new int[fit.DModel];
        for (int row = range * RowsToARange; row < Math.Min(rows, (range + 1) * RowsToARange); row++)
        {
            Span<float> to = output.AsSpan(row * fit.DModel, fit.DModel);
            ReadOnlySpan<float> from = x.AsSpan(row * fit.DModel, fit.DModel);
            for (int j = 0; j < order.Length; j++) (keys[j], order[j]) = (-MathF.Abs(from[j] - fit.Mean[j]), j);
            Array.Sort(keys, order);
            fit.Mean.CopyTo(to);
            foreach (int j in order.AsSpan(0, k)) to[j] = from[j];
        }
    });
}

/// <summary>x_hat = m + V V^T (x - m), V the k directions of largest variance among training rows.</summary>
internal sealed class PrincipalComponents(BaselineFit fit, int k) : Baseline
{
    private readonly Tensor directions = fit.Directions(k);

    /// <inheritdoc/>
    public override string Name => "pca";

    /// <inheritdoc/>
    public override string Description => $"the {k} principal components of training rows, the same for every token";

    /// <inheritdoc/>
    public override void Reconstruct(float[] x, int rows, float[] output)
    {
        using var still = no_grad();
        using var scope = NewDisposeScope();
        Tensor mean = TensorMemory.FromFloats(fit.Mean, fit.DModel);
        Tensor centred = TensorMemory.FromFloats(x.AsSpan(0, rows * fit.DModel), rows, fit.DModel) - mean;
        Tensor result = centred.mm(directions).mm(directions.t()) + mean;
        TensorMemory.Floats(result.contiguous()).CopyTo(output);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        directions.Dispose();
        base.Dispose();
    }
}

/// <summary>
/// A dictionary of random directions of the same size: f = the k largest positive w . (x - m), x_hat = m + c sum f w, with w
/// uniform on the sphere and the one factor c fitted to training rows.
/// </summary>
internal sealed class RandomDictionary : Baseline
{
    private const long Seed = 11;
    private readonly SparseAutoencoder sae;
    private readonly BaselineFit fit;
    private readonly int k;
    private readonly double scale;

    /// <summary>Draws the directions.</summary>
    internal RandomDictionary(BaselineFit fit, int k, int dSae)
    {
        (this.fit, this.k) = (fit, k);
        using var still = no_grad();
        using var scope = NewDisposeScope();
        var random = new SeededRandom(Seed);
        float[] drawn = new float[dSae * fit.DModel];
        for (int i = 0; i < drawn.Length; i++) drawn[i] = (float)random.NextNormal();
        Tensor directions = TensorMemory.FromFloats(drawn, dSae, fit.DModel);
        directions = directions / directions.norm(1).unsqueeze(1);
        sae = SparseAutoencoder.FromWeights(
            new SaeConfig { DModel = fit.DModel, DSae = dSae, K = k }, directions.t(), zeros(dSae), directions, TensorMemory.FromFloats(fit.Mean, fit.DModel));
        scale = Fit();
    }

    /// <inheritdoc/>
    public override string Name => "random_dictionary";

    /// <inheritdoc/>
    public override string Description => $"as many random directions as the dictionary has, the {k} largest positive projections of each token, scaled by one fitted factor";

    /// <inheritdoc/>
    public override void Reconstruct(float[] x, int rows, float[] output)
    {
        sae.Decode(sae.EncodeSparse(x, rows), output);
        for (int row = 0; row < rows; row++)
        {
            Span<float> to = output.AsSpan(row * fit.DModel, fit.DModel);
            for (int j = 0; j < to.Length; j++) to[j] = fit.Mean[j] + (float)(scale * (to[j] - fit.Mean[j]));
        }
    }

    // Least squares: c = sum (x - m) . y / sum |y|^2.
    private double Fit()
    {
        float[] y = new float[fit.Sample.Length];
        int rows = fit.Sample.Length / fit.DModel;
        sae.Decode(sae.EncodeSparse(fit.Sample, rows), y);
        double along = 0, square = 0;
        for (int i = 0; i < y.Length; i++)
        {
            double made = y[i] - fit.Mean[i % fit.DModel], wanted = fit.Sample[i] - fit.Mean[i % fit.DModel];
            along += made * wanted;
            square += made * made;
        }
        return square > 0 ? along / square : 0;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        sae.Dispose();
        base.Dispose();
    }
}
