using System.Runtime.Intrinsics;

namespace Monosemantic.Training;

/// <summary>
/// Adam (Kingma and Ba 2015) in one pass over parameters, both moments and gradient. Exactly the dense rule: where a
/// gradient is zero the moments still decay and the parameter still moves.
/// </summary>
internal readonly record struct FusedAdam
{
    private readonly float keepMean, addMean, keepSquare, addSquare, stepSize, inverseRootCorrection, epsilon, gradientScale;

    /// <summary>Sets up one step.</summary>
    /// <param name="config">Decays and epsilon.</param>
    /// <param name="lr">Learning rate of the step.</param>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="gradientScale">What gradients are multiplied by first (clipping).</param>
    internal FusedAdam(SaeTrainingConfig config, double lr, long step, double gradientScale)
    {
        (keepMean, addMean) = ((float)config.AdamBeta1, (float)(1 - config.AdamBeta1));
        (keepSquare, addSquare) = ((float)config.AdamBeta2, (float)(1 - config.AdamBeta2));
        stepSize = (float)(lr / (1 - Math.Pow(config.AdamBeta1, step)));
        inverseRootCorrection = (float)(1 / Math.Sqrt(1 - Math.Pow(config.AdamBeta2, step)));
        (epsilon, this.gradientScale) = ((float)config.AdamEpsilon, (float)gradientScale);
    }

    /// <summary>Updates consecutive parameters.</summary>
    /// <param name="parameters">Parameters, changed.</param>
    /// <param name="mean">Mean of gradients, changed.</param>
    /// <param name="square">Mean of squared gradients, changed.</param>
    /// <param name="gradient">Gradient; null for zero.</param>
    /// <param name="count">How many.</param>
    internal unsafe void Update(float* parameters, float* mean, float* square, float* gradient, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8)
        {
            Vector256<float> m = Vector256.Load(mean + i) * keepMean, v = Vector256.Load(square + i) * keepSquare;
            if (gradient != null)
            {
                Vector256<float> g = Vector256.Load(gradient + i) * gradientScale;
                m += g * addMean;
                v += g * g * addSquare;
            }
            m.Store(mean + i);
            v.Store(square + i);
            Vector256<float> denominator = (Vector256.Sqrt(v) * inverseRootCorrection) + Vector256.Create(epsilon);
            (Vector256.Load(parameters + i) - (m * stepSize / denominator)).Store(parameters + i);
        }
        for (; i < count; i++)
        {
            float g = gradient == null ? 0f : gradient[i] * gradientScale;
            mean[i] = (mean[i] * keepMean) + (g * addMean);
            square[i] = (square[i] * keepSquare) + (g * g * addSquare);
            parameters[i] -= mean[i] * stepSize / ((MathF.Sqrt(square[i]) * inverseRootCorrection) + epsilon);
        }
    }
}
