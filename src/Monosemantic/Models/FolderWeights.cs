using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Weights of a Hugging Face folder: safetensors or PyTorch, in one file or in shards with an index of them.</summary>
internal sealed class FolderWeights : WeightSource
{
    private readonly TensorFolder folder;

    private FolderWeights(TensorFolder folder)
    {
        this.folder = folder;
        Shapes = folder.Entries.ToDictionary(entry => entry.Name, entry => entry.Shape, StringComparer.Ordinal);
    }

    internal override string Path => folder.Path;

    internal override IReadOnlyDictionary<string, ImmutableArray<long>> Shapes { get; }

    // Shards of PyTorch store what two tensors share once, so that only safetensors files add up to their total.
    internal override IReadOnlyList<string> Warnings =>
        folder.TotalSize is { } total && Path.EndsWith(".safetensors.index.json", StringComparison.Ordinal) && Stored() is var stored && stored != total
            ? [$"{Path}: total_size is {total:F0}, but the shards hold {stored} bytes"]
            : [];

    /// <summary>Opens the weights of a folder.</summary>
    /// <exception cref="UserErrorException">It has none that are read here, or they are not whole.</exception>
    internal static FolderWeights Open(string directory) => new(TensorFolder.Open(directory));

    internal override torch.Tensor Read(string name)
    {
        TensorElement element = folder.Entry(name).Element;
        if (element.Type is not (torch.ScalarType.Float32 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Float64))
        {
            throw new UserErrorException($"{folder.FileOf(name)}: tensor {name} is stored as {element.Name}; weights are read from F32, F16, BF16 and F64", "quantised weights are not read; use the model in one of these");
        }
        using torch.Tensor stored = folder.View(name);
        return stored.to(torch.ScalarType.Float32);
    }

    internal override string Hash()
    {
        string[] files = [.. folder.Files];
        if (files is [var only]) return Hashing.OfFile(only);
        return Hashing.OfText(string.Concat(files.Order(StringComparer.Ordinal).Select(file => $"{Hashing.OfFile(file)}  {System.IO.Path.GetFileName(file)}\n")));
    }

    public override void Dispose() => folder.Dispose();

    private double Stored() => folder.Entries.Sum(entry => (double)entry.Element.ByteCount(entry.Shape)!.Value);
}
