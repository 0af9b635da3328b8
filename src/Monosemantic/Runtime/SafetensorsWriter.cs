using System.Text;
using System.Text.Json;
using TorchSharp;

namespace Monosemantic.Runtime;

/// <summary>
/// Writes safetensors files with the same bytes as the format's reference writer: larger element types first, then by name,
/// compact header padded with spaces to a multiple of 8. Whole or not at all.
/// </summary>
public static unsafe class SafetensorsWriter
{
    /// <summary>One tensor to write, by its bytes.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Element">Its element type.</param>
    /// <param name="Shape">Its dimensions.</param>
    /// <param name="WriteTo">Writes its bytes, row-major and little-endian.</param>
    public sealed record Item(string Name, TensorElement Element, long[] Shape, Action<Stream> WriteTo);

    /// <summary>Writes tensors.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensors">The tensors by name; any shape, on any device.</param>
    /// <param name="metadata">String metadata; null for none.</param>
    public static void Write(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteItems(path, tensors.Select(pair => ItemOf(pair.Key, pair.Value)), metadata);

    /// <summary>Writes tensors given by their bytes.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="items">The tensors.</param>
    /// <param name="metadata">String metadata; null for none.</param>
    public static void WriteItems(string path, IEnumerable<Item> items, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Write(path, stream => WriteTo(stream, items, metadata));

    /// <summary>Writes tensors given by their bytes to a stream.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="items">The tensors.</param>
    /// <param name="metadata">String metadata; null for none.</param>
    public static void WriteTo(Stream stream, IEnumerable<Item> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Item[] ordered = [.. items.OrderByDescending(item => item.Element.WriteOrder).ThenBy(item => item.Name, StringComparer.Ordinal)];
        byte[] header = Encoding.UTF8.GetBytes(HeaderOf(ordered, metadata));
        int padded = (header.Length + 7) / 8 * 8;
        stream.Write(BitConverter.GetBytes((ulong)padded));
        stream.Write(header);
        for (int i = header.Length; i < padded; i++) stream.WriteByte((byte)' ');
        foreach (Item item in ordered) item.WriteTo(stream);
    }

    private static Item ItemOf(string name, torch.Tensor tensor) => new(name, TensorElement.Of(tensor.dtype), tensor.shape, stream =>
    {
        using torch.Tensor local = tensor.detach().cpu().contiguous();
        byte* at = (byte*)TensorMemory.Address(local);
        for (long left = local.numel() * local.element_size(); left > 0;)
        {
            int chunk = (int)Math.Min(left, 1 << 24);
            stream.Write(new ReadOnlySpan<byte>(at, chunk));
            at += chunk;
            left -= chunk;
        }
    });

    private static string HeaderOf(Item[] items, IReadOnlyDictionary<string, string>? metadata)
    {
        var text = new StringBuilder("{");
        if (metadata is not null)
        {
            IEnumerable<string> pairs = metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{Quote(pair.Key)}:{Quote(pair.Value)}");
            text.Append("\"__metadata__\":{").AppendJoin(',', pairs).Append('}');
        }
        long at = 0;
        foreach (Item item in items)
        {
            long bytes = item.Shape.Aggregate((long)item.Element.Size, (product, dimension) => checked(product * dimension));
            if (text.Length > 1) text.Append(',');
            text.Append($"{Quote(item.Name)}:{{\"dtype\":\"{item.Element.Name}\",\"shape\":[{string.Join(',', item.Shape)}],\"data_offsets\":[{at},{at += bytes}]}}");
        }
        return text.Append('}').ToString();
    }

    private static string Quote(string text) => JsonSerializer.Serialize(text, JsonFile.Options);
}
