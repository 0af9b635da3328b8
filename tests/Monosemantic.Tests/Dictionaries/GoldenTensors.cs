using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

/// <summary>Comparing with tensors that a reference implementation recorded.</summary>
internal static class GoldenTensors
{
    /// <summary>Fixture folders of a tool whose files say that they hold a plain TopK autoencoder, as theory rows named after the test.</summary>
    internal static TheoryData<string> Of(string tool, string test, Func<string, bool> supported)
    {
        var data = new TheoryData<string>();
        IEnumerable<string> folders = Repository.FixtureRoots("saes").Select(root => Path.Combine(root, tool)).Where(Directory.Exists).SelectMany(Directory.GetDirectories);
        foreach (string folder in folders.Where(supported).Order(StringComparer.Ordinal))
        {
            data.Add(new TheoryDataRow<string>(folder) { TestDisplayName = $"{test}({tool}/{Path.GetFileName(folder)})" });
        }
        return data;
    }

    internal static JsonElement Json(string folder, string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file)));
        return document.RootElement.Clone();
    }

    internal static void AssertClose(ITestOutputHelper output, string name, Tensor expected, Tensor actual, double tolerance)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        double difference = (expected - actual).abs().max().item<float>(), largest = Math.Max(expected.abs().max().item<float>(), 1e-30);
        output.WriteLine($"{name}: largest difference {difference:E2}, {difference / largest:E2} of the largest value");
        Assert.True(difference <= tolerance * largest, $"{name}: {difference:E3} > {tolerance} x {largest:E3}");
    }

    internal static void AssertClose(ITestOutputHelper output, string name, Tensor expected, double actual, double tolerance)
    {
        double wanted = expected.item<float>();
        output.WriteLine($"{name}: {actual} against {wanted}");
        Assert.True(Math.Abs(actual - wanted) <= tolerance * Math.Max(Math.Abs(wanted), 1e-30), $"{name}: {actual} is not {wanted}");
    }

    internal static Tensor Dense(SparseCode code)
    {
        var dense = new float[code.Rows * code.DSae];
        for (int row = 0; row < code.Rows; row++)
        {
            for (int at = code.RowOffsets[row]; at < code.RowOffsets[row + 1]; at++) dense[(row * code.DSae) + code.Features[at]] = code.Values[at];
        }
        return TensorMemory.FromFloats(dense, code.Rows, code.DSae);
    }
}
