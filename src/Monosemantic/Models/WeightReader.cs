using System.Text.RegularExpressions;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>
/// The weights of a model folder, taken tensor by tensor in float32. Every tensor in the file must be taken or match the
/// family's ignore list, so that a forgotten weight is an error and not a silent difference.
/// </summary>
public sealed class WeightReader : IDisposable
{
    private readonly SafetensorsFile file;
    private readonly Dictionary<string, torch.Tensor> taken = [];

    /// <summary>Opens <c>model.safetensors</c> of a model folder.</summary>
    /// <param name="directory">The folder.</param>
    public WeightReader(string directory) => file = SafetensorsFile.Open(Path.Combine(directory, "model.safetensors"));

    /// <summary>The tensors taken so far, by their names in the file.</summary>
    public IReadOnlyDictionary<string, torch.Tensor> Taken => taken;

    /// <summary>Whether the file has a tensor.</summary>
    /// <param name="name">Its name.</param>
    public bool Has(string name) => file.Contains(name);

    /// <summary>Takes a tensor as float32.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="shape">The dimensions that the config promises.</param>
    /// <exception cref="UserErrorException">It is absent, has another shape, or holds NaN or infinite numbers.</exception>
    public torch.Tensor Take(string name, params long[] shape)
    {
        SafetensorsEntry entry = file.Entry(name);
        if (!entry.Shape.SequenceEqual(shape))
        {
            throw new UserErrorException(
                $"{file.Path}: tensor {name} is [{string.Join(", ", entry.Shape)}]; the config asks for [{string.Join(", ", shape)}]",
                "config.json and model.safetensors are not of the same model");
        }
        using var scope = torch.NewDisposeScope();
        torch.Tensor value = file.Read(name).to(torch.float32);
        if (!value.isfinite().all().item<bool>()) throw new UserErrorException($"{file.Path}: tensor {name} holds NaN or infinite numbers", "the model is damaged; copy or train it again");
        // The model owns its weights, whatever scope its loader stands in.
        value.DetachFromDisposeScope();
        taken.Add(name, value);
        return value;
    }

    /// <summary>Refuses tensors that nobody took.</summary>
    /// <param name="ignorable">Pattern of names that hold no trained weight, such as stored masks.</param>
    public void Finish(Regex ignorable)
    {
        string[] left = [.. file.Header.Entries.Select(entry => entry.Name).Where(name => !taken.ContainsKey(name) && !ignorable.IsMatch(name))];
        if (left.Length == 0) return;
        throw new UserErrorException(
            $"{file.Path} has {left.Length} tensors that this family does not use: {string.Join(", ", left.Take(5))}{(left.Length > 5 ? ", ..." : "")}",
            "the file is of another family or version than config.json says");
    }

    /// <summary>Frees the tensors taken, where loading failed half-way.</summary>
    public void Release()
    {
        foreach (torch.Tensor tensor in taken.Values) tensor.Dispose();
        taken.Clear();
    }

    /// <summary>Closes the file; the tensors taken live on.</summary>
    public void Dispose() => file.Dispose();
}
