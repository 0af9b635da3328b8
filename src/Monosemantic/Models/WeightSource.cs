using System.Collections.Immutable;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Where a model's named tensors come from: one file or several, of whatever format.</summary>
internal abstract class WeightSource : IDisposable
{
    /// <summary>What to name in errors: the file, or the index of several.</summary>
    internal abstract string Path { get; }

    /// <summary>Every tensor and its dimensions, in the order of the file.</summary>
    internal abstract IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    /// <summary>What is odd about the files, but no reason to refuse them.</summary>
    internal virtual IReadOnlyList<string> Warnings => [];

    /// <summary>A tensor in float32, with memory of its own or of the mapped file.</summary>
    /// <param name="name">Its name in <see cref="Shapes"/>.</param>
    internal abstract torch.Tensor Read(string name);

    /// <summary>SHA-256 of the weights: of the file, or of the list of several files' hashes.</summary>
    internal abstract string Hash();

    /// <summary>Closes the files; tensors read live on.</summary>
    public abstract void Dispose();
}
