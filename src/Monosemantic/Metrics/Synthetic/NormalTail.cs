using static TorchSharp.torch;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>The upper tail of the normal distribution, Q(z) = P(n > z), and its inverse.</summary>
internal static class NormalTail
{
    private const double Largest = 8;
    private const int PerUnit = 256;
    private static readonly double[] Table = Tabulate();

    /// <summary>Q(z), linear between 256 exact values a unit: within 5e-7. 0 above 8 and 1 below -8.</summary>
    internal static double Above(double z)
    {
        if (z >= Largest) return 0;
        if (!(z > -Largest)) return 1;
        double at = (z + Largest) * PerUnit;
        int below = (int)at;
        return Table[below] + ((at - below) * (Table[below + 1] - Table[below]));
    }

    /// <summary>The thresholds that a normal number exceeds with given probabilities: Q(t) = p, by bisection to the last digit.</summary>
    internal static double[] Thresholds(double[] probabilities)
    {
        using var scope = NewDisposeScope();
        Tensor p = tensor(probabilities), low = full_like(p, -40), high = full_like(p, 40);
        for (int i = 0; i < 64; i++)
        {
            using var inner = NewDisposeScope();
            Tensor middle = (low + high) / 2, above = erfc(middle / Math.Sqrt(2)) * 0.5 > p;
            low.copy_(where(above, middle, low));
            high.copy_(where(above, high, middle));
        }
        return ((low + high) / 2).data<double>().ToArray();
    }

    private static double[] Tabulate()
    {
        using var scope = NewDisposeScope();
        Tensor z = (arange(0, (2 * Largest * PerUnit) + 2, ScalarType.Float64) / PerUnit) - Largest;
        return (erfc(z / Math.Sqrt(2)) * 0.5).data<double>().ToArray();
    }
}
