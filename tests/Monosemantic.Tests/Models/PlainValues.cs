using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Comparing with what the second implementation computed.</summary>
internal static class PlainValues
{
    private const double Tolerance = 2e-5;

    /// <summary>Asserts that a tensor is near, prints how near, and frees it.</summary>
    internal static void AssertClose(ITestOutputHelper output, string hook, double[] expected, Tensor actual)
    {
        double difference = Difference(hook, expected, actual);
        output.WriteLine($"{hook}: largest difference {difference:E2} of the largest value");
        Assert.True(difference <= Tolerance, $"{hook}: {difference:E3} of the largest value > {Tolerance}");
    }

    /// <summary>Largest difference as a share of the largest value; infinite numbers must agree. Frees the tensor.</summary>
    internal static double Difference(string hook, double[] expected, Tensor actual)
    {
        using Tensor dense = actual.contiguous();
        float[] values = TensorMemory.Floats(dense).ToArray();
        actual.Dispose();
        Assert.Equal(expected.Length, values.Length);
        double largest = expected.Where(double.IsFinite).Max(Math.Abs), difference = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (double.IsFinite(expected[i])) difference = Math.Max(difference, Math.Abs(expected[i] - values[i]));
            else Assert.True((float)expected[i] == values[i], $"{hook}: {values[i]} for {expected[i]}");
        }
        return difference == 0 ? 0 : difference / largest;
    }
}
