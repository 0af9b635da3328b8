using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Every hook point of every configuration against plain loops in double precision.</summary>
public sealed class SecondImplementationTests(ITestOutputHelper output) : IDisposable
{
    private static readonly long[] Ids = [3, 22, 0, 7, 7, 19, 1, 4, 12, 9, 2, 16];
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string> Cases() => [.. ModelCases.All.Select(one => one.Name)];

    public static TheoryData<string> Fixtures() => [.. Directory.GetDirectories(Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "models")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_hook_point_equals_plain_loops(string name)
    {
        ModelCase one = ModelCases.All.Single(one => one.Name == name);
        one.Write(folder);
        using var scope = NewDisposeScope();
        var plain = new PlainDecoder(one.Config, one.Weights().ToDictionary(pair => pair.Key, pair => TensorMemory.Floats(pair.Value).ToArray().Select(value => (double)value).ToArray()), [.. Ids.Select(id => (int)id)]);
        plain.Run();

        using var model = Transformer.Load(folder);
        var seen = new Dictionary<string, Tensor>();
        seen["logits"] = model.Forward(tensor(Ids).unsqueeze(0), (at, value) =>
        {
            seen[at.ToString()] = value.clone().DetachFromDisposeScope();
            return value;
        });

        Assert.Equal(plain.Seen.Keys.Order(StringComparer.Ordinal), seen.Keys.Order(StringComparer.Ordinal));
        foreach ((string hook, Tensor value) in seen) PlainValues.AssertClose(output, hook, plain.Seen[hook], value);
        // The fused kernel is what runs when nobody looks.
        PlainValues.AssertClose(output, "logits without hooks", plain.Seen["logits"], model.Forward(tensor(Ids).unsqueeze(0)));
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void The_plain_loops_equal_the_reference(string name)
    {
        using var scope = NewDisposeScope();
        string fixture = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "models", name);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(fixture, "model.safetensors")), expected = SafetensorsFile.Open(Path.Combine(fixture, "expected.safetensors"));
        Dictionary<string, double[]> weights = file.Header.Entries.ToDictionary(entry => entry.Name, entry => TensorMemory.Floats(file.Read(entry.Name)).ToArray().Select(value => (double)value).ToArray());
        int[] tokens = [.. expected.Read("input_ids")[1].data<long>().Select(id => (int)id)];
        var plain = new PlainDecoder(JsonNode.Parse(File.ReadAllText(Path.Combine(fixture, "config.json")))!.AsObject(), weights, tokens);
        plain.Run();
        foreach (SafetensorsEntry entry in expected.Header.Entries.Where(entry => entry.Name is not ("input_ids" or "loss_per_token"))) PlainValues.AssertClose(output, entry.Name, plain.Seen[entry.Name], expected.Read(entry.Name)[1].clone());
    }
}
