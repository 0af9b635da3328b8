using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

public sealed class BaselineTests
{
    // Two dimensions that vary, by 3 and by 1 along known directions, and one that is constant.
    private static readonly ActivationBatch Rows = Batch(4000);

    [Fact]
    public void Principal_components_explain_what_their_eigenvalues_say()
    {
        using BaselineFit fit = BaselineFit.From([Rows])!;
        Assert.Equal([7, 0, -2], fit.Mean.Select(value => MathF.Round(value, 0)));
        using var one = new PrincipalComponents(fit, 1);
        using var two = new PrincipalComponents(fit, 2);
        // Variances 9 and 1: the first component leaves a tenth.
        Assert.Equal(0.1, Fvu(one), 0.01);
        Assert.Equal(0, Fvu(two), 5);
    }

    [Fact]
    public void Principal_components_leave_the_smallest_eigenvalues_of_another_library()
    {
        using BaselineFit fit = BaselineFit.From([Rows])!;
        using var one = new PrincipalComponents(fit, 1);
        double[][] centred = [.. Enumerable.Range(0, Rows.Rows).Select(row => Enumerable.Range(0, 3).Select(j => (double)Rows.Values[(row * 3) + j] - fit.Mean[j]).ToArray())];
        var covariance = MathNet.Numerics.LinearAlgebra.Matrix<double>.Build.Dense(3, 3, (i, j) => centred.Average(row => row[i] * row[j]));
        double[] eigenvalues = [.. covariance.Evd(MathNet.Numerics.LinearAlgebra.Symmetricity.Symmetric).EigenValues.Select(value => value.Real).Order()];
        Assert.Equal(eigenvalues[..2].Sum() / eigenvalues.Sum(), Fvu(one), 5);
    }

    [Fact]
    public void The_mean_leaves_everything_and_all_neurons_nothing()
    {
        using BaselineFit fit = BaselineFit.From([Rows])!;
        using var mean = new MeanBaseline(fit);
        using var all = new NeuronBaseline(fit, 3);
        using var one = new NeuronBaseline(fit, 1);
        Assert.Equal(1, Fvu(mean), 5);
        Assert.Equal(0, Fvu(all), 9);
        Assert.InRange(Fvu(one), 0.05, 0.5);
        float[] output = new float[3];
        one.Reconstruct([fit.Mean[0] + 1, fit.Mean[1] - 2, fit.Mean[2]], 1, output);
        Assert.Equal([fit.Mean[0], fit.Mean[1] - 2, fit.Mean[2]], output);
    }

    [Fact]
    public void A_random_dictionary_is_no_better_than_its_best_scale_and_better_than_nothing()
    {
        using BaselineFit fit = BaselineFit.From([Rows])!;
        using var random = new RandomDictionary(fit, 2, 40);
        Assert.InRange(Fvu(random), 0, 1);
    }

    [Fact]
    public void Every_baseline_has_a_name_a_description_and_tolerates_more_features_than_dimensions()
    {
        using BaselineFit fit = BaselineFit.From([Rows])!;
        ImmutableArray<Baseline> all = Baseline.All(fit, k: 5, dSae: 4);
        Assert.Equal(all.Length, all.Select(baseline => baseline.Name).Distinct().Count());
        Assert.All(all, baseline => Assert.True(baseline.Description.Length > 10 && double.IsFinite(Fvu(baseline))));
        foreach (Baseline baseline in all) baseline.Dispose();
    }

    [Fact]
    public void Without_training_rows_there_is_nothing_to_fit() => Assert.Null(BaselineFit.From([]));

    private static double Fvu(Baseline baseline)
    {
        float[] output = new float[Rows.Values.Length];
        baseline.Reconstruct(Rows.Values, Rows.Rows, output);
        return RowData.Numbers(new ReconstructionError(3), RowData.Of(3, Rows.Values, output, shift: [7, 0, -2]))["fvu"].Value!.Value;
    }

    private static ActivationBatch Batch(int rows)
    {
        var random = new SeededRandom(4);
        float[] values = new float[rows * 3];
        for (int row = 0; row < rows; row++)
        {
            double along = 3 * random.NextNormal(), across = random.NextNormal();
            (values[row * 3], values[(row * 3) + 1], values[(row * 3) + 2]) = ((float)(7 + (0.6 * along) - (0.8 * across)), (float)((0.8 * along) + (0.6 * across)), -2);
        }
        return new() { Rows = rows, DModel = 3, Values = values, Documents = [.. Enumerable.Range(0, rows)], Positions = new int[rows], Tokens = new int[rows] };
    }
}
