using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// x' = (x - mu) P with P the inverse square root of the activations' covariance (ZCA), so that every direction has variance
/// 1. Estimated in float64 from the first batches of the stream, the same ones whenever it is asked for.
/// </summary>
/// <param name="Mean">mu [d].</param>
/// <param name="Matrix">P [d, d], symmetric.</param>
/// <param name="Inverse">P^-1 [d, d].</param>
internal sealed record Whitening(Tensor Mean, Tensor Matrix, Tensor Inverse) : IDisposable
{
    private const int Batches = 64;
    private const double Ridge = 1e-6;

    /// <summary>Estimates it.</summary>
    internal static Whitening Of(SaeTrainingInput input, double scale)
    {
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = zeros(input.DModel, float64), products = zeros(input.DModel, input.DModel, dtype: float64);
        double rows = 0;
        using ProductThreads.Lease single = ProductThreads.Single();
        foreach (ActivationBatch batch in input.BatchesFrom(0).Take(Batches))
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor x = TensorMemory.FromFloats(batch.Span, batch.Rows, batch.DModel).to(float64) * scale;
            sum.add_(x.sum(dim: 0));
            products.addmm_(x.t(), x, beta: 1f, alpha: 1f);
            rows += batch.Rows;
        }
        Tensor mean = sum / rows, covariance = (products / rows) - mean.unsqueeze(1).mm(mean.unsqueeze(0));
        (Tensor values, Tensor vectors) = linalg.eigh(covariance);
        Tensor roots = (values.clamp_min(0) + (Ridge * values.max())).sqrt();
        Tensor matrix = (vectors / roots).mm(vectors.t()), inverse = (vectors * roots).mm(vectors.t());
        return new(Kept(mean), Kept(matrix), Kept(inverse));
    }

    /// <summary>Whitens rows in place.</summary>
    internal void Apply(Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        Tensor centred = rows - Mean;
        rows.addmm_(centred, Matrix, beta: 0f, alpha: 1f);
    }

    /// <summary>Folds it into weights: raw activations go in and come out.</summary>
    internal void Fold(SaeWeights weights, bool subtractsBDec)
    {
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        weights.Encoder.copy_(weights.Encoder.mm(Matrix));
        if (!subtractsBDec) weights.BEnc.sub_(weights.Encoder.mv(Mean));
        weights.Decoder.copy_(weights.Decoder.mm(Inverse));
        weights.BDec.copy_(weights.BDec.unsqueeze(0).mm(Inverse).squeeze(0) + Mean);
    }

    private static Tensor Kept(Tensor value) => value.to(float32).DetachFromDisposeScope();

    /// <summary>Frees the matrices.</summary>
    public void Dispose()
    {
        Mean.Dispose();
        Matrix.Dispose();
        Inverse.Dispose();
    }
}
