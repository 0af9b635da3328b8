using Monosemantic.Runtime.TensorFiles;
using Monosemantic.Tests.Runtime;
using TorchSharp;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>PyTorch files that hold more than tensors, instruction by instruction.</summary>
internal static class TorchStates
{
    /// <summary>A file of a dictionary, whose values are tensors, texts, whole numbers and dictionaries of the same.</summary>
    internal static byte[] Of(Dictionary<string, object> values)
    {
        var storages = new List<byte[]>();
        byte[] program = [0x80, 2, .. Dictionary(values, storages), (byte)'.'];
        return ZipBytes.Of([new("state/data.pkl", program), .. storages.Select((bytes, i) => new ZipBytes.File($"state/data/{i}", bytes)), new("state/version", "3\n"u8.ToArray())]);
    }

    /// <summary>A state dict inside a backup, as dictionary_learning writes it in mid-training.</summary>
    internal static byte[] Backup(string path, long normFactor)
    {
        using TorchFile file = TorchFile.Open(path);
        Dictionary<string, object> state = file.Entries.ToDictionary(entry => entry.Name, entry => (object)file.Read(entry.Name));
        return Of(new() { ["step"] = 3L, ["ae"] = state, ["norm_factor"] = normFactor });
    }

    private static byte[] Dictionary(Dictionary<string, object> values, List<byte[]> storages) =>
        [(byte)'}', (byte)'(', .. values.SelectMany(pair => (byte[])[.. PickleCode.Text(pair.Key), .. Value(pair.Value, storages)]), (byte)'u'];

    private static byte[] Value(object value, List<byte[]> storages)
    {
        if (value is string text) return PickleCode.Text(text);
        if (value is long number) return PickleCode.Integer(number);
        if (value is Dictionary<string, object> inner) return Dictionary(inner, storages);
        torch.Tensor tensor = ((torch.Tensor)value).to(torch.ScalarType.Float32).contiguous();
        storages.Add(tensor.bytes.ToArray());
        long[] shape = tensor.shape;
        return PickleCode.Tensor($"{storages.Count - 1}", tensor.numel(), 0, shape, [.. shape.Select((_, i) => shape.Skip(i + 1).Aggregate(1L, (step, size) => step * size))]);
    }
}
