using Monosemantic.Models;

namespace Monosemantic.Tests.Models;

public sealed class ModelInfoTests
{
    public static TheoryData<string> Fixtures() => [.. Repository.FixtureRoots("models").SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Shapes_are_those_that_a_pass_has(string folder)
    {
        using Transformer model = Transformer.Load(folder);
        var seen = new Dictionary<string, string>();
        int length = Math.Min(5, model.Config.MaxPositions);
        using var tokens = TorchSharp.torch.zeros(2, length, dtype: TorchSharp.torch.int64);

        model.Forward(tokens, (at, value) =>
        {
            seen[at.ToString()] = Symbolic(at.Site, value.shape, length);
            return value;
        }).Dispose();
        ModelInfo info = ModelInfo.Of(model);

        Assert.Equal(seen, info.HookPoints.ToDictionary(point => point.Name, point => point.Shape));
        Assert.Equal(model.Named.Values.Sum(tensor => tensor.numel()), info.Parameters);
    }

    private static string Symbolic(HookSite site, long[] shape, int length)
    {
        string[] names = [.. shape.Select(size => $"{size}")];
        int[] tokens = site is HookSite.AttnScores or HookSite.AttnPattern ? [2, 3] : [1];
        foreach (int dimension in tokens)
        {
            Assert.Equal(length, shape[dimension]);
            names[dimension] = "t";
        }
        names[0] = "b";
        return $"[{string.Join(", ", names)}]";
    }
}
