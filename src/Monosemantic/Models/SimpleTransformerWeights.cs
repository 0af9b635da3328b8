using System.Globalization;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>The weights of a <see cref="SimpleTransformer"/>: their names, their first values, and reading them back.</summary>
internal static class SimpleTransformerWeights
{
    /// <summary>What the names of a layer's weights begin with.</summary>
    internal static string Layer(int layer) => string.Create(CultureInfo.InvariantCulture, $"encoder.layers.{layer}.");

    /// <summary>
    /// Untrained weights, distributed as PyTorch's modules initialise theirs: embeddings normal(0, 1), <c>in_proj</c>
    /// uniform(+-sqrt(6 / (in + out))) with bias 0, other maps and their biases uniform(+-1 / sqrt(in)) but
    /// <c>out_proj.bias</c> 0, norms 1 and 0.
    /// </summary>
    internal static Dictionary<string, Tensor> Initialise(SimpleTransformerVocabulary vocabulary, SimpleTransformerConfig config, long seed)
    {
        var random = new SeededRandom(seed);
        var weights = new Dictionary<string, Tensor>();
        foreach ((string name, long[] shape) in Names(vocabulary, config))
        {
            Tensor tensor = zeros(shape).DetachFromDisposeScope();
            Fill(TensorMemory.Floats(tensor), name, shape, config, random);
            weights.Add(name, tensor);
        }
        return weights;
    }

    /// <summary>The shape that a file's tensors have.</summary>
    internal static SimpleTransformerConfig Shape(SafetensorsFile file, int heads, double dropout)
    {
        IReadOnlyList<long> SizeOf(string name) => file.Entry(name).Shape is { Length: 2 } shape ? shape : throw new UserErrorException($"{file.Path}: tensor {name} has {file.Entry(name).Shape.Length} dimensions; it must have 2", "the file is damaged or of another model");
        long width = SizeOf("embedding.weight")[1];
        if (heads < 1 || width % heads != 0) throw new UserErrorException($"{file.Path} has {heads} heads for a width of {width}; the width must be a multiple of the heads", "the file is damaged");
        int layers = 0;
        while (file.Contains($"{Layer(layers)}linear1.weight")) layers++;
        if (layers == 0) throw new UserErrorException($"{file.Path} has no tensor named {Layer(0)}linear1.weight", "give a model.safetensors that `monosemantic learn` wrote");
        return new()
        {
            DModel = checked((int)width),
            Heads = heads,
            FeedForward = checked((int)SizeOf($"{Layer(0)}linear1.weight")[0]),
            Layers = layers,
            MaxPositions = checked((int)SizeOf("position_embedding.weight")[0]),
            Dropout = dropout,
        };
    }

    /// <summary>All tensors of a file, each exactly once.</summary>
    internal static Dictionary<string, Tensor> Read(SafetensorsFile file, SimpleTransformerVocabulary vocabulary, SimpleTransformerConfig config)
    {
        Dictionary<string, long[]> expected = Names(vocabulary, config).ToDictionary(pair => pair.Name, pair => pair.Shape);
        string[] unknown = [.. file.Header.Entries.Select(entry => entry.Name).Where(name => !expected.ContainsKey(name))];
        if (unknown.Length > 0) throw new UserErrorException($"{file.Path} has tensors that the model does not use: {string.Join(", ", unknown.Take(5))}", "the file is of another model");
        using var scope = NewDisposeScope();
        var weights = expected.ToDictionary(pair => pair.Key, pair => Take(file, pair.Key, pair.Value));
        foreach (Tensor tensor in weights.Values) tensor.DetachFromDisposeScope();
        return weights;
    }

    private static Tensor Take(SafetensorsFile file, string name, long[] shape)
    {
        if (!file.Entry(name).Shape.SequenceEqual(shape)) throw new UserErrorException($"{file.Path}: tensor {name} is [{string.Join(", ", file.Entry(name).Shape)}]; the vocabulary and the other tensors ask for [{string.Join(", ", shape)}]", "the file is damaged or of another model");
        Tensor value = file.Read(name).to(ScalarType.Float32);
        if (!value.isfinite().all().item<bool>()) throw new UserErrorException($"{file.Path}: tensor {name} holds NaN or infinite numbers", "the model is damaged; train it again");
        return value;
    }

    private static IEnumerable<(string Name, long[] Shape)> Names(SimpleTransformerVocabulary vocabulary, SimpleTransformerConfig config) =>
    [
        ("embedding.weight", [vocabulary.Size + 1, config.DModel]),
        ("position_embedding.weight", [config.MaxPositions, config.DModel]),
        .. Enumerable.Range(0, config.Layers).SelectMany(layer => SimpleTransformerLayer.Names(config).Select(pair => ($"{Layer(layer)}{pair.Name}", pair.Shape))),
        ("output.weight", [vocabulary.Size, config.DModel]),
        ("output.bias", [vocabulary.Size]),
    ];

    private static void Fill(Span<float> values, string name, long[] shape, SimpleTransformerConfig config, SeededRandom random)
    {
        if (name.Contains(".norm", StringComparison.Ordinal))
        {
            values.Fill(name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0);
        }
        else if (name.Contains("embedding", StringComparison.Ordinal))
        {
            foreach (ref float value in values) value = (float)random.NextNormal();
        }
        else if (!name.EndsWith("proj_bias", StringComparison.Ordinal) && !name.EndsWith("proj.bias", StringComparison.Ordinal))
        {
            // A map's bias has the bound of its weight, which is named after the same inputs.
            int inputs = name.Contains("linear2", StringComparison.Ordinal) ? config.FeedForward : config.DModel;
            double bound = name.EndsWith("in_proj_weight", StringComparison.Ordinal) ? Math.Sqrt(6.0 / (shape[0] + shape[1])) : 1 / Math.Sqrt(inputs);
            foreach (ref float value in values) value = (float)((2 * random.NextDouble() - 1) * bound);
        }
    }
}
