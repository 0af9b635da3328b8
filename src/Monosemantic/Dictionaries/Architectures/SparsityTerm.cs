namespace Monosemantic.Dictionaries;

/// <summary>
/// The sparsity losses that are functions of f: value and derivatives, entry by entry. With v = f, or f times the length n of
/// its decoder row where weighted, lambda the coefficient and B the number of tokens:
/// L1 = lambda/B sum v; Lp = lambda/B sum over tokens of (sum v^p)^(1/p); LpPower = lambda/B sum v^p; Tanh = lambda/B sum tanh(c v).
/// </summary>
internal static unsafe class SparsityTerm
{
    /// <summary>Adds the derivatives by f to the gradients, and value and derivative by n to the sums.</summary>
    /// <param name="options">Which loss.</param>
    /// <param name="feature">Which feature.</param>
    /// <param name="rows">Token of each entry.</param>
    /// <param name="values">f of each entry.</param>
    /// <param name="gradients">Added to.</param>
    /// <param name="count">Number of entries.</param>
    /// <param name="step">Coefficient and tokens.</param>
    /// <param name="sums">Added to.</param>
    internal static void Add(RuleOptions options, int feature, int* rows, float* values, float* gradients, int count, StepContext step, ref FeatureSums sums)
    {
        double factor = step.Sparsity / step.Rows, norm = options.WeightedByNorm ? step.Norms[feature] : 1;
        bool plain = options.Sparsity == SparsityLoss.L1 || (options.Sparsity is SparsityLoss.Lp or SparsityLoss.LpPower && step.Power == 1);
        if (plain) AddPlain(factor, norm, values, gradients, count, ref sums);
        else if (options.Sparsity is SparsityLoss.Lp or SparsityLoss.LpPower) AddPower(options.Sparsity == SparsityLoss.Lp, factor, norm, rows, values, gradients, count, step, ref sums);
        else if (options.Sparsity == SparsityLoss.Tanh) AddTanh(options.TanhScale, factor, norm, values, gradients, count, ref sums);
        if (!options.WeightedByNorm) sums.Norm = 0;
    }

    /// <summary>v^p summed over the entries of one token, for Lp.</summary>
    internal static double RowPower(RuleOptions options, int* features, float* values, int count, StepContext step)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            if (values[i] > 0) sum += Math.Pow(values[i] * (options.WeightedByNorm ? step.Norms[features[i]] : 1), step.Power);
        }
        return sum;
    }

    private static void AddPlain(double factor, double norm, float* values, float* gradients, int count, ref FeatureSums sums)
    {
        float slope = (float)(factor * norm);
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            gradients[i] += slope;
            sum += values[i];
        }
        sums.Penalty += factor * norm * sum;
        sums.Norm += factor * sum;
    }

    private static void AddPower(bool root, double factor, double norm, int* rows, float* values, float* gradients, int count, StepContext step, ref FeatureSums sums)
    {
        double p = step.Power;
        for (int i = 0; i < count; i++)
        {
            if (values[i] <= 0) continue;
            double v = values[i] * norm, power = Math.Pow(v, p - 1);
            // d/dv of S^(1/p) is S^(1/p - 1) v^(p - 1); the losses of all features of a token add up to S^(1/p) if each gives its share of S.
            double outer = root ? Math.Pow(step.RowPowers[rows[i]], (1 / p) - 1) : p;
            double slope = factor * outer * power;
            gradients[i] += (float)(slope * norm);
            sums.Norm += slope * values[i];
            sums.Penalty += root ? slope * v : factor * power * v;
        }
    }

    private static void AddTanh(double scale, double factor, double norm, float* values, float* gradients, int count, ref FeatureSums sums)
    {
        for (int i = 0; i < count; i++)
        {
            double tanh = Math.Tanh(scale * values[i] * norm), slope = factor * scale * (1 - (tanh * tanh));
            gradients[i] += (float)(slope * norm);
            sums.Norm += slope * values[i];
            sums.Penalty += factor * tanh;
        }
    }
}
