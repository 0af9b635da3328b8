using System.Globalization;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>
/// The weights of a model, taken tensor by tensor in float32. Every tensor must be taken once or match the family's ignore
/// list, so that a forgotten weight is an error and not a silent difference.
/// </summary>
public sealed class WeightReader : IDisposable
{
    private readonly WeightSource source;
    private readonly Dictionary<string, torch.Tensor> taken = [];
    private readonly List<torch.Tensor> views = [];
    private readonly List<string> warnings;

    /// <summary>Opens the weights of a model folder.</summary>
    /// <param name="directory">The folder, with <c>model.safetensors</c> or <c>pytorch_model.bin</c>, or an index of shards.</param>
    public WeightReader(string directory) : this(FolderWeights.Open(directory))
    {
    }

    internal WeightReader(WeightSource source)
    {
        this.source = source;
        warnings = [.. source.Warnings];
    }

    /// <summary>The tensors taken so far, by their names in the file.</summary>
    public IReadOnlyDictionary<string, torch.Tensor> Taken => taken;

    /// <summary>What is odd about the weights, such as numbers that are not finite, but no reason to refuse them.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>Whether the file has a tensor.</summary>
    /// <param name="name">Its name.</param>
    public bool Has(string name) => source.Shapes.ContainsKey(name);

    /// <summary>Takes a tensor as float32.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="shape">The dimensions that the config promises.</param>
    /// <exception cref="UserErrorException">It is absent or has another shape.</exception>
    public torch.Tensor Take(string name, params IReadOnlyList<long> shape)
    {
        if (!source.Shapes.TryGetValue(name, out var stored)) throw Absent(name);
        if (!stored.SequenceEqual(shape))
        {
            throw new UserErrorException(
                $"{source.Path}: tensor {name} is [{string.Join(", ", stored)}]; the config asks for [{string.Join(", ", shape)}]",
                "config.json and the weights are not of the same model");
        }
        if (taken.ContainsKey(name)) throw new InvalidOperationException($"tensor {name} is used twice");
        // The model owns its weights, whatever scope its loader stands in.
        torch.Tensor value = source.Read(name).DetachFromDisposeScope();
        taken.Add(name, value);
        long strange = FiniteScan.CountNotFinite(value);
        if (strange > 0) warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{source.Path}: tensor {name} holds {strange} {(strange == 1 ? "number that is" : "numbers that are")} NaN or infinite; the model is damaged, and what it computes from them is too"));
        return value;
    }

    /// <summary>Takes a linear map that is stored [out, in], as most families store them.</summary>
    /// <param name="name">Its name without <c>.weight</c>.</param>
    /// <param name="inputs">Width of its input.</param>
    /// <param name="outputs">Width of its output.</param>
    /// <param name="bias">Whether it has a bias.</param>
    public Linear TakeLinear(string name, long inputs, long outputs, bool bias) =>
        new(View(Take($"{name}.weight", outputs, inputs).t()), bias ? Take($"{name}.bias", outputs) : null);

    /// <summary>Takes linear maps that are stored one below the other as [out1 + out2 + .., in], without bias.</summary>
    /// <param name="name">Their name without <c>.weight</c>.</param>
    /// <param name="inputs">Width of their input.</param>
    /// <param name="outputs">Width of each one's output.</param>
    public IReadOnlyList<Linear> TakeJoined(string name, long inputs, params IReadOnlyList<long> outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        torch.Tensor whole = Take($"{name}.weight", outputs.Sum(), inputs);
        using var scope = torch.NewDisposeScope();
        return [.. whole.split([.. outputs], 0).Select(part => new Linear(View(part.t()), null))];
    }

    /// <summary>Takes a norm.</summary>
    /// <param name="name">Its name without <c>.weight</c>.</param>
    /// <param name="width">What it is over.</param>
    /// <param name="bias">Whether it has a bias.</param>
    public Norm TakeNorm(string name, long width, bool bias) => new(Take($"{name}.weight", width), bias ? Take($"{name}.bias", width) : null);

    /// <summary>Refuses tensors that nobody took.</summary>
    /// <param name="ignorable">Patterns of names that hold no trained weight of this model, such as stored masks.</param>
    public void Finish(params IReadOnlyList<Regex> ignorable)
    {
        string[] left = [.. source.Shapes.Keys.Where(name => !taken.ContainsKey(name) && !ignorable.Any(pattern => pattern.IsMatch(name)))];
        if (left.Length == 0) return;
        throw new UserErrorException(
            $"{source.Path} has {(left.Length == 1 ? "a tensor" : $"{left.Length} tensors")} that this family does not use: {string.Join(", ", left.Take(5))}{(left.Length > 5 ? ", ..." : "")}",
            "the weights are of another family or version than config.json says");
    }

    /// <summary>Frees the tensors taken, where loading failed half-way.</summary>
    public void Release()
    {
        foreach (torch.Tensor tensor in views.Concat(taken.Values)) tensor.Dispose();
        views.Clear();
        taken.Clear();
    }

    /// <summary>Closes the file; the tensors taken live on.</summary>
    public void Dispose() => source.Dispose();

    internal string Hash() => source.Hash();

    private torch.Tensor View(torch.Tensor view)
    {
        views.Add(view.DetachFromDisposeScope());
        return view;
    }

    private UserErrorException Absent(string name)
    {
        string hint = Suggestion.Nearest(name, source.Shapes.Keys) is { } near
            ? $"it has {near}; config.json and the weights are not of the same model"
            : $"it holds {string.Join(", ", source.Shapes.Keys.Take(4))}{(source.Shapes.Count > 4 ? ", ..." : "")}; config.json and the weights are not of the same model";
        return new($"{source.Path} has no tensor named {name}, which the config asks for", hint);
    }
}
