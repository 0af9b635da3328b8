using System.Collections.Immutable;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>
/// How much of a dictionary comes back from another seed: features paired one to one so that the cosines of their decoder
/// rows add up to the most. Source: Paulo and Belrose 2025, who call a feature shared above a cosine of 0.7.
/// </summary>
internal static class Stability
{
    private const double Shared = 0.7;
    private const long MostPairs = 16_384L * 16_384;
    private const string TooLarge = "the dictionaries have too many features to pair them one to one";

    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
    [
        new("stability_cosine", "", Better.Higher, "mean cosine of decoder rows of the two dictionaries over the one-to-one pairing with the largest sum", TooLarge),
        new("stability_shared", "", Better.Higher, "pairs of that pairing with a cosine above 0.7 / features of the larger dictionary", TooLarge),
    ];

    /// <summary>Compares two dictionaries.</summary>
    /// <param name="one">Decoder rows [n, d].</param>
    /// <param name="other">Decoder rows [m, d].</param>
    internal static IReadOnlyDictionary<string, MetricValue> Of(Tensor one, Tensor other)
    {
        (Tensor few, Tensor many) = one.shape[0] <= other.shape[0] ? (one, other) : (other, one);
        double[] values = [double.NaN, double.NaN];
        if (few.shape[0] * many.shape[0] <= MostPairs)
        {
            double[] cosines = Paired(few, many);
            values = [cosines.Average(), cosines.Count(cosine => cosine > Shared) / (double)many.shape[0]];
        }
        Interval none = Interval.None("it depends on the weights alone");
        return Definitions.Select((definition, i) => (definition, i)).ToDictionary(pair => pair.definition.Name, pair => MetricValue.Of(pair.definition, values[pair.i], 0, "weights", none));
    }

    private static double[] Paired(Tensor few, Tensor many)
    {
        using var still = no_grad();
        using var scope = NewDisposeScope();
        int rows = (int)few.shape[0], columns = (int)many.shape[0];
        Tensor left = few / few.norm(1).clamp(1e-30).unsqueeze(1), right = many / many.norm(1).clamp(1e-30).unsqueeze(1);
        float[] costs = TensorMemory.Floats((1 - left.mm(right.t())).contiguous()).ToArray();
        int[] pairs = Assignment.Solve(costs, rows, columns);
        return [.. pairs.Select((column, row) => 1.0 - costs[(row * columns) + column])];
    }
}
