using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

/// <summary>What the files of Fixtures/files hold, each the same: see make_fixtures.py there.</summary>
internal static class TorchFixtures
{
    internal static string[] Same { get; } = ["legacy_protocol2.pt", "legacy_protocol4.pt", "zip_protocol2.pt", "zip_protocol3.pt", "zip_protocol4.pt", "zip_protocol5.pt", "zip_deflated.pt", "zip64.pt"];

    /// <summary>Every tensor, in order, as float64 numbers.</summary>
    internal static (string Name, torch.ScalarType Type, long[] Shape, double[] Values)[] Tensors { get; } =
    [
        ("state.weight", torch.float32, [2, 3], [0, 0.5, 1, 1.5, 2, 2.5]),
        ("state.transposed", torch.float32, [3, 2], [0, 1.5, 0.5, 2, 1, 2.5]),
        ("state.row", torch.float32, [3], [1.5, 2, 2.5]),
        ("state.ids", torch.int64, [4], [-1, 0, 1, 2]),
        ("state.half", torch.float16, [2], [1.5, -2]),
        ("state.bfloat", torch.bfloat16, [2], [1, -2]),
        ("state.flags", torch.@bool, [3], [1, 0, 1]),
        ("state.scalar", torch.float32, [], [2.5]),
        ("state.empty", torch.float32, [0, 4], []),
        ("state.parameter", torch.float64, [1, 2], [0.25, -0.25]),
        ("state.char", torch.int8, [3], [-3, 3, 9]),
        ("state.expanded", torch.float32, [2, 3], [2.5, 2.5, 2.5, 2.5, 2.5, 2.5]),
        ("layers.0", torch.float32, [2], [0.5, 1.5]),
        ("layers.1.0", torch.int64, [1], [1]),
    ];

    internal static string Path(string name) => System.IO.Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "files", name);

    /// <summary>Checks every tensor of an open file, read and viewed.</summary>
    internal static void Check(ITensorFile file)
    {
        Assert.Equal(Tensors.Select(tensor => tensor.Name), file.Entries.Select(entry => entry.Name));
        foreach ((string name, torch.ScalarType type, long[] shape, double[] values) in Tensors)
        {
            Assert.Equal(shape, file.Entry(name).Shape);
            foreach (torch.Tensor tensor in new[] { file.Read(name), file.View(name) })
            {
                Assert.Equal(type, tensor.dtype);
                Assert.Equal(shape, tensor.shape);
                Assert.True(tensor.is_contiguous());
                using torch.Tensor doubles = tensor.to(torch.float64);
                Assert.Equal(values, values.Length == 0 ? [] : doubles.data<double>().ToArray());
                tensor.Dispose();
            }
        }
    }
}
