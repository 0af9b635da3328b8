using Monosemantic.Activations;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>What baselines learn from training rows: mean and covariance, streamed.</summary>
internal sealed class BaselineFit : IDisposable
{
    private const int MostRows = 65_536, SampleRows = 2_048;
    private readonly Tensor covariance;

    private BaselineFit(float[] mean, float[] sample, Tensor covariance) => (Mean, Sample, this.covariance) = (mean, sample, covariance);

    /// <summary>Width of a row.</summary>
    public int DModel => Mean.Length;

    /// <summary>Mean of the rows [d_model].</summary>
    public float[] Mean { get; }

    /// <summary>The first rows themselves [n, d_model].</summary>
    public float[] Sample { get; }

    /// <summary>Reads the first training rows; documents are in random order in a store unless asked otherwise.</summary>
    /// <param name="batches">Training rows; inserted tokens (position -1) are left out.</param>
    /// <returns>Null without a row.</returns>
    internal static BaselineFit? From(IEnumerable<ActivationBatch> batches)
    {
        using var still = no_grad();
        using var scope = NewDisposeScope();
        Tensor? sums = null, products = null, shift = null;
        var sample = new List<float>();
        long rows = 0;
        float[] values = [];
        foreach (ActivationBatch batch in batches)
        {
            if (values.Length < batch.Rows * batch.DModel) values = new float[batch.Rows * batch.DModel];
            int real = RealRows.Copy(batch, values, new int[batch.Rows]);
            if (real == 0) continue;
            if (rows < SampleRows) sample.AddRange(values.AsSpan(0, (int)Math.Min(real, SampleRows - rows) * batch.DModel));
            using var inner = NewDisposeScope();
            Tensor x = TensorMemory.FromFloats(values.AsSpan(0, real * batch.DModel), real, batch.DModel);
            // About the first batch's mean, so that a mean far from 0 costs no digits in float32.
            shift ??= x.mean([0L]).MoveToOuterDisposeScope();
            Tensor moved = x - shift;
            sums = (moved.to(ScalarType.Float64).sum(0L) + (sums ?? zeros(batch.DModel, ScalarType.Float64))).MoveToOuterDisposeScope();
            products = (moved.t().mm(moved).to(ScalarType.Float64) + (products ?? zeros([batch.DModel, batch.DModel], ScalarType.Float64))).MoveToOuterDisposeScope();
            if ((rows += real) >= MostRows) break;
        }
        if (rows == 0) return null;
        Tensor average = sums! / rows;
        Tensor covariance = (products! / rows) - average.outer(average);
        Tensor mean = (average + shift!.to(ScalarType.Float64)).to(ScalarType.Float32);
        return new(TensorMemory.Floats(mean.contiguous()).ToArray(), [.. sample], covariance.DetachFromDisposeScope());
    }

    /// <summary>The k directions of largest variance [d_model, k], float32; owned by the caller.</summary>
    /// <param name="k">How many, 1 to d_model.</param>
    internal Tensor Directions(int k)
    {
        using var still = no_grad();
        using var scope = NewDisposeScope();
        (Tensor _, Tensor vectors) = linalg.eigh(covariance);
        return vectors.narrow(1, DModel - k, k).to(ScalarType.Float32).contiguous().DetachFromDisposeScope();
    }

    /// <summary>Frees the covariance.</summary>
    public void Dispose() => covariance.Dispose();
}
