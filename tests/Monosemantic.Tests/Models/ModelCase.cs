using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>A tiny random model of a family, written to a folder as the reference library would write it.</summary>
/// <param name="Name">What it tries out.</param>
/// <param name="Config">Its <c>config.json</c>.</param>
/// <param name="Shapes">Its tensors by name.</param>
public sealed record ModelCase(string Name, JsonObject Config, IReadOnlyDictionary<string, long[]> Shapes)
{
    /// <summary>Writes the folder.</summary>
    public void Write(string folder, ScalarType storage = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        File.WriteAllText(Path.Combine(folder, "config.json"), Config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), Weights().Select(pair => KeyValuePair.Create(pair.Key, pair.Value.to(storage))));
    }

    /// <summary>
    /// Random weights, every bias and norm far from its default, so that a forgotten one shows: maps normal(0, 1.5 / sqrt(in)),
    /// embeddings normal(0, 1), norms 1 + normal(0, 0.2) (Gemma's without the 1), biases normal(0, 0.2).
    /// </summary>
    public Dictionary<string, Tensor> Weights()
    {
        var random = new SeededRandom(Name.Sum(letter => (long)letter) + 1);
        var weights = new Dictionary<string, Tensor>();
        foreach ((string name, long[] shape) in Shapes)
        {
            Tensor tensor = empty(shape, ScalarType.Float32);
            bool norm = shape.Length == 1 && name.EndsWith("weight", StringComparison.Ordinal), embedding = name.Contains("embed") || name.Contains("wte") || name.Contains("wpe");
            double mean = norm && !Config["model_type"]!.GetValue<string>().StartsWith("gemma", StringComparison.Ordinal) ? 1 : 0;
            double deviation = shape.Length == 1 ? 0.2 : embedding ? 1 : 1.5 / Math.Sqrt(shape[1]);
            foreach (ref float value in TensorMemory.Floats(tensor)) value = (float)(mean + (deviation * random.NextNormal()));
            weights.Add(name, tensor);
        }
        return weights;
    }
}
