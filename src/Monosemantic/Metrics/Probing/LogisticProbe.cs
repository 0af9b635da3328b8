using System.Numerics.Tensors;

namespace Monosemantic.Metrics.Probing;

/// <summary>
/// A linear probe: logistic regression with scikit-learn's default penalty (C = 1) on columns scaled to mean 0 and variance 1.
/// <code>
/// minimise sum_i c_i ln(1 + exp(-y_i (w . z_i + b))) + |w|^2 / 2     z: scaled columns, y: -1 or 1, c: weight of an example
/// </code>
/// </summary>
/// <remarks>Newton's method; each step is found by conjugate gradients, so that no matrix is built. The problem has one minimum.</remarks>
internal sealed class LogisticProbe
{
    private const int MostSteps = 25, MostInnerSteps = 40;
    private const double Tolerance = 1e-4;

    private LogisticProbe(float[] weights, double bias) => (Weights, Bias) = (weights, bias);

    /// <summary>Weights for unscaled columns [width].</summary>
    public float[] Weights { get; }

    /// <summary>What is added to the score.</summary>
    public double Bias { get; }

    /// <summary>Above 0 where the answer is yes.</summary>
    public double Score(ReadOnlySpan<float> x) => TensorPrimitives.Dot(x, Weights) + Bias;

    /// <summary>Fits a probe.</summary>
    /// <param name="x">Examples [n, width], row-major.</param>
    /// <param name="labels">Answers [n].</param>
    /// <param name="balanced">Whether both answers weigh the same in all, however often each is given.</param>
    internal static LogisticProbe Fit(float[] x, bool[] labels, bool balanced = false)
    {
        int rows = labels.Length, width = x.Length / rows, positives = labels.Count(label => label);
        (float[] z, float[] mean, float[] scale) = Scaled(x, rows, width);
        double yes = balanced && positives > 0 ? rows / (2.0 * positives) : 1, no = balanced && positives < rows ? rows / (2.0 * (rows - positives)) : 1;
        var problem = new Problem(z, [.. labels.Select(label => label ? 1f : -1f)], [.. labels.Select(label => (float)(label ? yes : no))], width);
        float[] solution = problem.Solve();
        float[] weights = new float[width];
        double bias = solution[width];
        for (int j = 0; j < width; j++)
        {
            weights[j] = solution[j] * scale[j];
            bias -= (double)weights[j] * mean[j];
        }
        return new(weights, bias);
    }

    // A column that does not vary gets the scale 0, and with it no weight.
    private static (float[] Z, float[] Mean, float[] Scale) Scaled(float[] x, int rows, int width)
    {
        double[] sum = new double[width], square = new double[width];
        for (int row = 0; row < rows; row++)
        {
            for (int j = 0; j < width; j++) sum[j] += x[(row * width) + j];
        }
        for (int row = 0; row < rows; row++)
        {
            for (int j = 0; j < width; j++)
            {
                double centred = x[(row * width) + j] - (sum[j] / rows);
                square[j] += centred * centred;
            }
        }
        float[] mean = [.. sum.Select(value => (float)(value / rows))], scale = [.. square.Select(value => value > 1e-12 * rows ? (float)(1 / Math.Sqrt(value / rows)) : 0f)], z = new float[x.Length];
        for (int row = 0; row < rows; row++)
        {
            Span<float> to = z.AsSpan(row * width, width);
            TensorPrimitives.Subtract(x.AsSpan(row * width, width), mean, to);
            TensorPrimitives.Multiply(to, scale, to);
        }
        return (z, mean, scale);
    }

    /// <summary>One fit; a solution is [width + 1], the bias last.</summary>
    private sealed class Problem(float[] z, float[] signs, float[] weights, int width)
    {
        private readonly float[] curvature = new float[signs.Length];

        internal float[] Solve()
        {
            float[] at = new float[width + 1], gradient = new float[width + 1];
            double loss = LossAt(at, gradient), first = Norm(gradient);
            for (int step = 0; step < MostSteps && Norm(gradient) > Tolerance * first; step++)
            {
                float[] direction = Direction(gradient);
                double scale = 1;
                float[] next = Moved(at, direction, scale), nextGradient = new float[width + 1];
                double nextLoss = LossAt(next, nextGradient);
                while (!(nextLoss <= loss) && scale > 1e-3)
                {
                    scale /= 2;
                    next = Moved(at, direction, scale);
                    nextLoss = LossAt(next, nextGradient);
                }
                if (!(nextLoss < loss)) break;
                (at, loss) = (next, nextLoss);
                nextGradient.CopyTo(gradient, 0);
            }
            return at;
        }

        // Fills the gradient and the curvature of each example.
        private double LossAt(float[] at, float[] gradient)
        {
            Array.Clear(gradient);
            double loss = TensorPrimitives.Dot<float>(at.AsSpan(0, width), at.AsSpan(0, width)) / 2;
            at.AsSpan(0, width).CopyTo(gradient);
            for (int row = 0; row < signs.Length; row++)
            {
                ReadOnlySpan<float> example = z.AsSpan(row * width, width);
                double margin = signs[row] * (TensorPrimitives.Dot(example, at.AsSpan(0, width)) + (double)at[width]);
                double wrong = 1 / (1 + Math.Exp(margin));
                loss += weights[row] * (margin > 0 ? Math.Log(1 + Math.Exp(-margin)) : -margin + Math.Log(1 + Math.Exp(margin)));
                curvature[row] = (float)(weights[row] * wrong * (1 - wrong));
                float slope = (float)(-weights[row] * signs[row] * wrong);
                TensorPrimitives.MultiplyAdd(example, slope, gradient.AsSpan(0, width), gradient.AsSpan(0, width));
                gradient[width] += slope;
            }
            return loss;
        }

        // H p for the Hessian at the last point.
        private float[] Product(float[] p)
        {
            float[] result = [.. p];
            result[width] = 1e-6f * p[width];
            for (int row = 0; row < signs.Length; row++)
            {
                ReadOnlySpan<float> example = z.AsSpan(row * width, width);
                float along = curvature[row] * (TensorPrimitives.Dot(example, p.AsSpan(0, width)) + p[width]);
                TensorPrimitives.MultiplyAdd(example, along, result.AsSpan(0, width), result.AsSpan(0, width));
                result[width] += along;
            }
            return result;
        }

        private float[] Direction(float[] gradient)
        {
            float[] x = new float[width + 1], residual = [.. gradient.Select(value => -value)], p = [.. residual];
            double square = TensorPrimitives.SumOfSquares<float>(residual), wanted = square * 1e-4;
            for (int step = 0; step < MostInnerSteps && square > wanted; step++)
            {
                float[] product = Product(p);
                double along = TensorPrimitives.Dot<float>(p, product);
                if (!(along > 0)) break;
                float alpha = (float)(square / along);
                TensorPrimitives.MultiplyAdd(p, alpha, x, x);
                TensorPrimitives.MultiplyAdd(product, -alpha, residual, residual);
                double next = TensorPrimitives.SumOfSquares<float>(residual);
                TensorPrimitives.MultiplyAdd(p, (float)(next / square), residual, p);
                square = next;
            }
            return x;
        }

        private static float[] Moved(float[] from, float[] along, double scale)
        {
            float[] result = new float[from.Length];
            TensorPrimitives.MultiplyAdd(along, (float)scale, from, result);
            return result;
        }

        private static double Norm(float[] values) => Math.Sqrt(TensorPrimitives.SumOfSquares<float>(values));
    }
}
