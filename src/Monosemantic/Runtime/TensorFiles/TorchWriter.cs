using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// Writes state dicts as PyTorch files: the zip archive and the part of the pickle language that
/// <c>torch.load(weights_only=True)</c> takes, record by record with the bytes that PyTorch itself writes. Whole or not at
/// all; the same tensors give the same bytes.
/// </summary>
public static class TorchWriter
{
    /// <summary>Writes an ordered dictionary of tensors, as <c>torch.save(module.state_dict(), path)</c> does.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensors">The tensors by name, in order; any shape, on any device. Transposed ones are stored as they lie in memory, with their strides.</param>
    /// <exception cref="ArgumentException">A name is given twice.</exception>
    public static void WriteStateDict(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors) => WriteStateDict(path, tensors, uint.MaxValue);

    /// <summary>The same, with 64-bit fields in the archive from a given size on.</summary>
    internal static void WriteStateDict(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors, long largest)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var scope = torch.NewDisposeScope();
        KeyValuePair<string, torch.Tensor>[] all = [.. tensors.Select(tensor => KeyValuePair.Create(tensor.Key, Dense(tensor.Value)))];
        if (all.DistinctBy(tensor => tensor.Key).Count() != all.Length) throw new ArgumentException("a name is given twice", nameof(tensors));
        string root = Path.GetFileNameWithoutExtension(path);
        byte[] program = TorchPickle.Of(all);
        AtomicFile.Write(path, stream =>
        {
            var archive = new TorchZip(stream, largest);
            archive.Put($"{root}/data.pkl", program.Length, record => record.Write(program));
            archive.Put($"{root}/byteorder", 6, record => record.Write("little"u8));
            for (int i = 0; i < all.Length; i++) archive.Put($"{root}/data/{i}", all[i].Value.numel() * all[i].Value.element_size(), record => TensorMemory.WriteTo(record, InMemory(all[i].Value)));
            archive.Put($"{root}/version", 2, record => record.Write("3\n"u8));
            archive.End();
        });
    }

    // One whose elements have gaps between them, or lie in the memory of another order than any of its dimensions', is copied.
    private static torch.Tensor Dense(torch.Tensor tensor)
    {
        torch.Tensor detached = tensor.detach();
        return InMemory(detached).is_contiguous() ? detached : detached.contiguous();
    }

    /// <summary>The tensor with its dimensions in the order of memory, outermost first.</summary>
    private static torch.Tensor InMemory(torch.Tensor tensor)
    {
        long[] strides = tensor.stride();
        return tensor.is_contiguous() ? tensor : tensor.permute([.. Enumerable.Range(0, strides.Length).OrderByDescending(i => strides[i]).Select(i => (long)i)]);
    }
}
