using System.Globalization;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Configurations that nobody chose against plain loops: hooks, the fused way, and token after token.</summary>
public sealed class RandomConfigurationTests(ITestOutputHelper output) : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    // More of them are a matter of time alone.
    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("MONOSEMANTIC_SEEDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int seeds) ? seeds : 6;

    public static TheoryData<string> Families() => [.. ModelFamily.All.Select(family => family.Name)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_hook_point_equals_plain_loops(string family)
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            (ModelCase one, int[][] tokens) = RandomCases.Of(family, seed);
            try
            {
                Check(one, tokens);
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"{one.Name}, {tokens[0].Length} tokens: {failure.Message}\n{one.Config.ToJsonString()}", failure);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Alternatives_of_the_last_token_predict_what_whole_passes_do(string family)
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            (ModelCase one, int[][] tokens) = RandomCases.Of(family, seed);
            one.Write(folder);
            using var scope = NewDisposeScope();
            using var model = Transformer.Load(folder);
            if (model.Config.ChangesWithLength(tokens[0].Length)) continue;
            for (int block = 0; block < model.Config.Layers; block++) CheckAlternatives(model, tensor(tokens.SelectMany(row => row).Select(id => (long)id).ToArray()).view(tokens.Length, -1), block, one.Name);
        }
    }

    private static void CheckAlternatives(Transformer model, Tensor ids, int block, string name)
    {
        var at = new HookPoint(HookSite.ResidPre, block);
        long last = ids.shape[1] - 1;
        Tensor before = empty(0), alternatives = empty(0);
        model.Run(ids, (_, value) =>
        {
            before = value.narrow(1, 0, last).clone().DetachFromDisposeScope();
            alternatives = cat([value.narrow(1, last, 1), value.narrow(1, last, 1) * 0.4f, value.narrow(1, 0, 1) - 0.2f], 1).DetachFromDisposeScope();
            return value;
        }, at);
        Tensor found = model.Alternatives(block, before, alternatives);
        for (int i = 0; i < 3; i++)
        {
            int alternative = i;
            Tensor whole = model.Forward(ids, (_, _) => cat([before, alternatives.narrow(1, alternative, 1)], 1), at).select(1, last);
            float difference = (found.select(1, i) - whole).abs().max().item<float>(), largest = whole.abs().max().item<float>();
            Assert.True(difference <= 1e-4 * largest, $"{name}, block {block}, alternative {i}: {difference:E2} of {largest:E2}");
        }
        before.Dispose();
        alternatives.Dispose();
    }

    private void Check(ModelCase one, int[][] tokens)
    {
        using var scope = NewDisposeScope();
        one.Write(folder);
        using var model = Transformer.Load(folder);
        Tensor ids = tensor(tokens.SelectMany(row => row).Select(id => (long)id).ToArray()).view(tokens.Length, -1);
        var seen = new Dictionary<string, Tensor>();
        seen["logits"] = model.Forward(ids, (at, value) =>
        {
            seen[at.ToString()] = value.clone().DetachFromDisposeScope();
            return value;
        });
        Tensor fused = model.Forward(ids);
        double largest = 0;
        for (int row = 0; row < tokens.Length; row++)
        {
            var plain = new PlainDecoder(one.Config, one.Weights().ToDictionary(pair => pair.Key, pair => TensorMemory.Floats(pair.Value).ToArray().Select(value => (double)value).ToArray()), tokens[row]);
            plain.Run();
            Assert.Equal(plain.Seen.Keys.Order(StringComparer.Ordinal), seen.Keys.Order(StringComparer.Ordinal));
            foreach ((string hook, Tensor value) in seen) largest = Math.Max(largest, Near(hook, plain.Seen[hook], value[row].clone()));
            Near("logits without hooks", plain.Seen["logits"], fused[row].clone());
            if (!Enumerable.Range(1, tokens[row].Length).Any(length => model.Config.ChangesWithLength(length))) Near("logits, token after token", plain.Seen["logits"], Continued(model, ids)[row].clone());
        }
        foreach (Tensor value in seen.Values) value.Dispose();
        output.WriteLine($"{one.Name}: largest difference {largest:E2} of the largest value");
    }

    private static double Near(string hook, double[] expected, Tensor actual)
    {
        double difference = PlainValues.Difference(hook, expected, actual);
        // So few numbers may cancel to almost nothing, which a forgotten term never looks like.
        Assert.True(difference <= 2e-4, $"{hook}: {difference:E3} of the largest value");
        return difference;
    }

    private static Tensor Continued(Transformer model, Tensor ids)
    {
        using var cache = new KeyValueCache(model.Config);
        return cat([.. Enumerable.Range(0, (int)ids.shape[1]).Select(at => model.Continue(ids.narrow(1, at, 1), cache))], 1);
    }
}
