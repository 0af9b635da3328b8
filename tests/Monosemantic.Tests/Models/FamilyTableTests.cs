using System.Globalization;
using System.Text.Json.Nodes;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>The table of families: every family is in it, with what it was checked against and the error that is measured.</summary>
public sealed class FamilyTableTests(ITestOutputHelper output) : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string> Families() => [.. ModelFamily.All.Select(family => family.Name)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Families))]
    public void The_table_says_what_is_measured(string name)
    {
        ModelFamily family = ModelFamily.Find(name, "the test");
        double measured = family.CheckedAgainstReference ? AgainstReference(name) : AgainstLoops(name);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {measured:0.0e0}"));
        string path = Path.Combine(Repository.Root, "src", "Monosemantic", "Models", "Families", "README.md");
        string[] cells = File.ReadLines(path).Single(line => line.StartsWith($"| `{name}` |", StringComparison.Ordinal)).Split('|', StringSplitOptions.TrimEntries);
        Assert.Equal(family.CheckedAgainstReference ? "reference" : "not yet checked against the reference", cells[3]);
        double stated = double.Parse(cells[4], CultureInfo.InvariantCulture);
        // Another processor rounds otherwise, by as much again and a little more.
        Assert.True(measured <= 4 * stated && stated <= 2e-5, $"{name}: measured {measured:E2}, the table says {stated:E2}");
    }

    private static double AgainstReference(string name)
    {
        string fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "models");
        IEnumerable<string> own = Directory.GetDirectories(fixtures).Where(folder => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["model_type"]!.GetValue<string>() == name);
        return own.SelectMany(GoldenModel.Differences).Max(found => found.Share);
    }

    private double AgainstLoops(string name)
    {
        using var scope = NewDisposeScope();
        double largest = 0;
        int[] tokens = [3, 22, 0, 7, 7, 19, 1, 4, 12, 9, 2, 16];
        foreach (ModelCase one in ModelCases.All.Where(one => one.Config["model_type"]!.GetValue<string>() == name))
        {
            one.Write(folder);
            using var model = Transformer.Load(folder);
            var plain = new PlainDecoder(one.Config, one.Weights().ToDictionary(pair => pair.Key, pair => TensorMemory.Floats(pair.Value).ToArray().Select(value => (double)value).ToArray()), tokens);
            plain.Run();
            Tensor ids = tensor(tokens.Select(id => (long)id).ToArray()).unsqueeze(0), logits = model.Forward(ids, (at, value) =>
            {
                largest = Math.Max(largest, PlainValues.Difference(at.ToString(), plain.Seen[at.ToString()], value.clone()));
                return value;
            });
            largest = Math.Max(largest, PlainValues.Difference("logits", plain.Seen["logits"], logits));
        }
        return largest;
    }
}
