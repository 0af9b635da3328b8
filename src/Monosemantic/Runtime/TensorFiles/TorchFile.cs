using System.Collections.Immutable;
using Monosemantic.Runtime.Pickles;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// A file that PyTorch saved (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>), as a zip archive or in the form before version 1.6, read as
/// data only: its pickle is taken apart without making anything that it names, and a file that needs more is refused by the
/// name that it asks for.
/// </summary>
/// <remarks>
/// Tensors go by their path in what was saved: keys and list positions joined by dots, so that a state dict's tensors have
/// their usual names, and <c>tensor</c> where a lone tensor was saved. Everything else that was saved is in <see cref="Root"/>.
/// </remarks>
public sealed class TorchFile : ITensorFile
{
    /// <summary>The name of a tensor that was saved by itself.</summary>
    public const string LoneTensorName = "tensor";

    private readonly MappedFile file;
    private readonly TorchStorages storages;
    private readonly Dictionary<string, PickleTensor> tensors = new(StringComparer.Ordinal);

    private TorchFile(MappedFile file, PickleValue root, TorchStorages storages)
    {
        this.file = file;
        this.storages = storages;
        Root = root;
        var entries = ImmutableArray.CreateBuilder<TensorEntry>();
        foreach ((string name, PickleTensor tensor) in TensorsIn(root, ""))
        {
            if (!tensors.TryAdd(name, tensor)) throw PickleMachine.Bad(Path, $"two of its tensors go by the name {Printable.Of(name)}");
            entries.Add(new TensorEntry(name, tensor.Element, tensor.Shape));
        }
        Entries = entries.ToImmutable();
    }

    /// <inheritdoc/>
    public string Path => file.Path;

    /// <summary>All that was saved, as plain data: dictionaries, sequences, numbers, texts and descriptions of tensors.</summary>
    public PickleValue Root { get; }

    /// <inheritdoc/>
    public ImmutableArray<TensorEntry> Entries { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is missing, damaged, or would run code.</exception>
    public static TorchFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return file.Head(2).SequenceEqual("PK"u8) ? Of(file, ZipDirectory.Read(file)) : Of(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => tensors.ContainsKey(name);

    /// <inheritdoc/>
    public TensorEntry Entry(string name)
    {
        PickleTensor tensor = Find(name);
        return new TensorEntry(name, tensor.Element, tensor.Shape);
    }

    /// <inheritdoc/>
    public torch.Tensor Read(string name) => storages.Read(Find(name), name);

    /// <inheritdoc/>
    public torch.Tensor View(string name) => storages.View(Find(name), name);

    /// <summary>Closes the file; tensors from it live on.</summary>
    public void Dispose()
    {
        storages.Dispose();
        file.Dispose();
    }

    /// <summary>A zip archive whose directory is read already; takes the file over.</summary>
    internal static TorchFile Of(MappedFile file, ZipDirectory directory)
    {
        (PickleValue root, TorchStorages storages) = TorchArchive.Read(file, directory);
        return Of(file, root, storages);
    }

    /// <summary>A file in the old form; takes the file over.</summary>
    internal static TorchFile Of(MappedFile file)
    {
        (PickleValue root, TorchStorages storages) = TorchLegacy.Read(file);
        return Of(file, root, storages);
    }

    private static TorchFile Of(MappedFile file, PickleValue root, TorchStorages storages)
    {
        try
        {
            return new TorchFile(file, root, storages);
        }
        catch
        {
            storages.Dispose();
            throw;
        }
    }

    /// <summary>The tensors of a tree with their paths, in order.</summary>
    internal static IEnumerable<(string Name, PickleTensor Tensor)> TensorsIn(PickleValue value, string path)
    {
        if (value is PickleTensor tensor) return [(path.Length == 0 ? LoneTensorName : path, tensor)];
        IEnumerable<(string Key, PickleValue Value)> children = value switch
        {
            PickleDictionary dictionary => dictionary.Entries.Select(entry => (entry.Key is PickleText text ? text.Value : ((PickleInteger)entry.Key).Value.ToString(), entry.Value)),
            PickleSequence sequence => sequence.Items.Select((item, index) => (index.ToString(), item)),
            _ => [],
        };
        return children.SelectMany(child => TensorsIn(child.Value, path.Length == 0 ? child.Key : $"{path}.{child.Key}"));
    }

    private PickleTensor Find(string name) => tensors.TryGetValue(name, out PickleTensor? tensor) ? tensor : throw TensorEntry.Missing(Path, name, tensors.Keys);
}
