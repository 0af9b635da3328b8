using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>A tensor beside what the reference recorded for it.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Difference">Largest difference.</param>
/// <param name="Largest">Largest recorded value.</param>
internal sealed record GoldenDifference(string Name, double Difference, double Largest)
{
    /// <summary>The difference as a share of the largest value.</summary>
    internal double Share => Difference == 0 ? 0 : Difference / Largest;
}

/// <summary>A folder with a model and what the reference library computed with it.</summary>
internal static class GoldenModel
{
    private const string Expected = "expected.safetensors", Tokens = "input_ids";

    /// <summary>Every recorded tensor: hook points by their names, <c>logits</c>, <c>loss_per_token</c>.</summary>
    internal static List<GoldenDifference> Differences(string folder)
    {
        using var model = Transformer.Load(folder);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, Expected));
        using var scope = NewDisposeScope();
        Tensor tokens = file.Read(Tokens);
        SafetensorsEntry[] recorded = [.. file.Header.Entries.Where(entry => entry.Name != Tokens)];
        HookPoint[] points = [.. recorded.Where(entry => entry.Name.Contains("hook_")).Select(entry => HookPoint.Parse(entry.Name))];
        var seen = new Dictionary<string, Tensor>();
        Tensor Keep(HookPoint at, Tensor value) => seen[at.ToString()] = value.alias().DetachFromDisposeScope();
        Tensor logits = points.Length == 0 ? model.Forward(tokens) : model.Forward(tokens, Keep, points);
        (seen["logits"], seen["loss_per_token"]) = (logits, Transformer.LossPerToken(logits, tokens));
        List<GoldenDifference> found = [.. recorded.Select(entry => Compare(entry.Name, file.Read(entry.Name), seen[entry.Name.Contains("hook_") ? HookPoint.Parse(entry.Name).ToString() : entry.Name]))];
        foreach (Tensor value in seen.Values) value.Dispose();
        return found;
    }

    private static GoldenDifference Compare(string name, Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        // Scores and patterns may hold what is not finite where nothing is seen.
        Tensor finite = expected.isfinite();
        Assert.True(expected.masked_select(finite.logical_not()).bytes.SequenceEqual(actual.masked_select(finite.logical_not()).bytes), $"{name}: what is not finite differs");
        Tensor wanted = expected.masked_select(finite), given = actual.masked_select(finite);
        return wanted.numel() == 0 ? new(name, 0, 0) : new(name, (wanted - given).abs().max().item<float>(), wanted.abs().max().item<float>());
    }
}
