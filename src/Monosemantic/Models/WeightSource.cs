using System.Collections.Immutable;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Where a model's named tensors come from: one file or several, of whatever format.</summary>
internal abstract class WeightSource : IDisposable
{
    private static readonly string[] Unread = ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"];

    /// <summary>What to name in errors: the file, or the index of several.</summary>
    internal abstract string Path { get; }

    /// <summary>Every tensor and its dimensions, in the order of the file.</summary>
    internal abstract IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    /// <summary>What is odd about the files, but no reason to refuse them.</summary>
    internal virtual IReadOnlyList<string> Warnings => [];

    /// <summary>Opens the weights of a Hugging Face folder.</summary>
    /// <param name="directory">The folder.</param>
    /// <exception cref="UserErrorException">It has none that are read here, or they are not whole.</exception>
    internal static WeightSource OfFolder(string directory)
    {
        string single = System.IO.Path.Combine(directory, "model.safetensors"), index = System.IO.Path.Combine(directory, "model.safetensors.index.json");
        if (File.Exists(single)) return SafetensorsWeights.OpenSingle(single);
        if (File.Exists(index)) return SafetensorsWeights.OpenSharded(index);
        string[] others = [.. Unread.Where(name => File.Exists(System.IO.Path.Combine(directory, name)))];
        throw new UserErrorException(
            $"{directory} has neither model.safetensors nor model.safetensors.index.json{(others.Length > 0 ? $", only {string.Join(", ", others)}" : "")}",
            others.Length > 0 ? "convert the weights to safetensors with the library that wrote them" : "give the folder that holds config.json and the weights");
    }

    /// <summary>A tensor in float32, with memory of its own or of the mapped file.</summary>
    /// <param name="name">Its name in <see cref="Shapes"/>.</param>
    internal abstract torch.Tensor Read(string name);

    /// <summary>SHA-256 of the weights: of the file, or of the list of several files' hashes.</summary>
    internal abstract string Hash();

    /// <summary>Closes the files; tensors read live on.</summary>
    public abstract void Dispose();
}
