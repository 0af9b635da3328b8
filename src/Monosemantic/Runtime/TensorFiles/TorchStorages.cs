using Monosemantic.Runtime.Pickles;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>Where the numbers of a storage lie.</summary>
/// <param name="At">First byte in the file, of the compressed bytes where there is a compressed entry.</param>
/// <param name="Length">Bytes of the storage.</param>
/// <param name="Entry">The zip entry that holds them, if any.</param>
internal sealed record TorchPlace(long At, long Length, ZipEntry? Entry);

/// <summary>The storages of one PyTorch file, and the tensors over them. A compressed storage is unpacked once, whoever asks for how many views of it.</summary>
/// <param name="file">The file.</param>
/// <param name="places">Where each storage lies, by its key.</param>
internal sealed class TorchStorages(MappedFile file, IReadOnlyDictionary<string, TorchPlace> places) : IDisposable
{
    private readonly ZipContent content = new(file, mayLackChecksums: true);
    private readonly HashSet<string> verified = new(StringComparer.Ordinal);
    private readonly Dictionary<string, torch.Tensor> unpacked = new(StringComparer.Ordinal);

    /// <summary>Checks that the places hold what the tensors need.</summary>
    /// <param name="path">The file.</param>
    /// <param name="places">Where each storage lies.</param>
    /// <param name="tensors">All tensors of the file.</param>
    internal static void Check(string path, IReadOnlyDictionary<string, TorchPlace> places, IEnumerable<(string Name, PickleTensor Tensor)> tensors)
    {
        foreach ((string name, PickleTensor tensor) in tensors)
        {
            PickleStorage storage = tensor.Storage;
            string key = Printable.Of(storage.Key);
            if (!places.TryGetValue(storage.Key, out TorchPlace? place)) throw PickleMachine.Bad(path, $"the numbers of tensor {Printable.Of(name)} (storage {key}) are missing");
            long needed = storage.Count * storage.Element.Size;
            if (place.Length != needed) throw PickleMachine.Bad(path, $"storage {key} of tensor {Printable.Of(name)} has {place.Length:N0} bytes, but {storage.Count:N0} elements of {storage.Element.Name} need {needed:N0}");
        }
    }

    /// <summary>Copies a tensor, contiguous.</summary>
    /// <param name="tensor">Its description.</param>
    /// <param name="name">Its name, for errors.</param>
    internal torch.Tensor Read(PickleTensor tensor, string name)
    {
        torch.ScalarType type = tensor.Element.TypeFor(file.Path, name);
        long bytes = tensor.Count * tensor.Element.Size;
        // Only a tensor whose indices share elements can be larger than its storage.
        if (bytes > content.MostUnpacked) throw PickleMachine.Bad(file.Path, $"tensor {Printable.Of(name)} of shape {Printable.Of(tensor.Shape)} repeats its numbers to {bytes:N0} bytes; at most {content.MostUnpacked:N0} are read from a file of this size");
        using var scope = torch.NewDisposeScope();
        torch.Tensor result = torch.empty([.. tensor.Shape], type);
        if (bytes > 0) Fill(result, tensor, type);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>A tensor over the file's own bytes where it can be, else a copy.</summary>
    /// <param name="tensor">Its description.</param>
    /// <param name="name">Its name, for errors.</param>
    internal torch.Tensor View(PickleTensor tensor, string name)
    {
        torch.ScalarType type = tensor.Element.TypeFor(file.Path, name);
        TorchPlace place = places[tensor.Storage.Key];
        long at = place.At + First(tensor);
        bool mappable = place.Entry is not { Deflated: true } && tensor.IsContiguous && tensor.Count > 0 && at % tensor.Element.Size == 0;
        if (!mappable) return Read(tensor, name);
        Verify(place, tensor.Storage.Key);
        return file.View(at, type, [.. tensor.Shape]);
    }

    /// <summary>Frees what was unpacked.</summary>
    public void Dispose()
    {
        foreach (torch.Tensor storage in unpacked.Values) storage.Dispose();
        unpacked.Clear();
    }

    private void Fill(torch.Tensor result, PickleTensor tensor, torch.ScalarType type)
    {
        TorchPlace place = places[tensor.Storage.Key];
        long first = First(tensor), bytes = place.Length - first;
        Verify(place, tensor.Storage.Key);
        if (tensor.IsContiguous)
        {
            Copy(place, tensor.Storage.Key, first, result);
            return;
        }
        // The storage from the tensor's first element on, [n]; mapped where it can be.
        long count = bytes / tensor.Element.Size, at = place.At + first;
        bool mappable = place.Entry is not { Deflated: true } && at % tensor.Element.Size == 0;
        torch.Tensor elements = mappable ? file.View(at, type, [count]) : torch.empty([count], type);
        if (!mappable) Copy(place, tensor.Storage.Key, first, elements);
        result.copy_(elements.as_strided([.. tensor.Shape], [.. tensor.Strides]));
    }

    // Bytes of a storage into a contiguous tensor.
    private unsafe void Copy(TorchPlace place, string key, long first, torch.Tensor to)
    {
        long bytes = to.numel() * to.element_size();
        if (place.Entry is not { Deflated: true } entry) file.CopyTo(place.At + first, to);
        else Buffer.MemoryCopy((byte*)TensorMemory.Address(Unpacked(entry, key)) + first, TensorMemory.Address(to), bytes, bytes);
    }

    private torch.Tensor Unpacked(ZipEntry entry, string key)
    {
        if (unpacked.TryGetValue(key, out torch.Tensor? storage)) return storage;
        storage = torch.empty([entry.Length], torch.ScalarType.Byte);
        storage.DetachFromDisposeScope();
        try
        {
            content.CopyTo(entry, 0, storage);
        }
        catch
        {
            storage.Dispose();
            throw;
        }
        return unpacked[key] = storage;
    }

    // Once per storage, however many tensors are views of it.
    private void Verify(TorchPlace place, string key)
    {
        if (place.Entry is not { Deflated: false } entry || verified.Contains(key)) return;
        content.Verify(entry);
        verified.Add(key);
    }

    // Byte of the storage at which the tensor begins.
    private static long First(PickleTensor tensor) => tensor.Storage.Start * tensor.Storage.Element.Size + tensor.Offset * tensor.Element.Size;
}
