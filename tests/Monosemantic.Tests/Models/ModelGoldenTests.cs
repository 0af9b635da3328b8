using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Every recorded hook point, the logits and the losses of the reference library, tensor by named tensor.</summary>
public sealed class ModelGoldenTests(ITestOutputHelper output)
{
    private const double Tolerance = 2e-5;

    public static TheoryData<string> Fixtures()
    {
        var data = new TheoryData<string>();
        foreach (string folder in Repository.FixtureRoots("models").SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal))
        {
            data.Add(new TheoryDataRow<string>(folder) { TestDisplayName = $"Forward_equals_the_reference({Path.GetFileName(folder)})" });
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Forward_equals_the_reference(string folder)
    {
        using var model = Transformer.Load(folder);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor tokens = expected.Read("input_ids");
        HookPoint[] points = [.. expected.Header.Entries.Where(entry => entry.Name.Contains("hook_")).Select(entry => HookPoint.Parse(entry.Name))];
        var seen = new Dictionary<string, Tensor>();

        Tensor logits = model.Forward(tokens, (at, value) => seen[at.ToString()] = value.alias().DetachFromDisposeScope(), points);
        seen["logits"] = logits;
        seen["loss_per_token"] = Transformer.LossPerToken(logits, tokens);

        foreach (SafetensorsEntry entry in expected.Header.Entries.Where(entry => entry.Name != "input_ids"))
        {
            AssertClose(entry.Name, expected.Read(entry.Name), seen[entry.Name]);
            seen[entry.Name].Dispose();
        }
    }

    private void AssertClose(string name, Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        double difference = (expected - actual).abs().max().item<float>(), largest = expected.abs().max().item<float>();
        output.WriteLine($"{name}: largest difference {difference:E2}, {difference / largest:E2} of the largest value");
        Assert.True(difference <= Tolerance * largest, $"{name}: {difference:E3} > {Tolerance} x {largest:E3}");
    }
}
