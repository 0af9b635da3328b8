using System.Text;
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
    public sealed record Item(string Name, TensorElement Element, long[] Shape, Action<Stream> WriteTo)
    {
        internal long ByteCount => Element.ByteCount(Shape) ?? throw new ArgumentException($"tensor {Name} cannot have the shape {Printable.Of(Shape)}");
    }

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
    /// <param name="items">The tensors, each name once.</param>
    /// <param name="metadata">String metadata; null for none.</param>
    /// <exception cref="ArgumentException">A name stands twice, is reserved or no text, or an item writes more or less than its shape says.</exception>
    public static void WriteTo(Stream stream, IEnumerable<Item> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Item[] ordered = [.. items.OrderByDescending(item => item.Element.WriteOrder).ThenBy(item => item.Name, Utf8Order.Instance)];
        CheckNames(ordered);
        byte[] header = StrictUtf8.GetBytes(HeaderOf(ordered, metadata));
        int padded = (header.Length + 7) / 8 * 8;
        stream.Write(BitConverter.GetBytes((ulong)padded));
        stream.Write(header);
        for (int i = header.Length; i < padded; i++) stream.WriteByte((byte)' ');
        foreach (Item item in ordered) WriteItem(stream, item);
    }

    // A lone surrogate has no UTF-8 form; writing a replacement character would change the name.
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static void CheckNames(Item[] items)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        foreach (Item item in items)
        {
            if (!names.Add(item.Name)) throw new ArgumentException($"the name {item.Name} is reserved or given twice", nameof(items));
        }
    }

    private static void WriteItem(Stream stream, Item item)
    {
        long before = stream.CanSeek ? stream.Position : 0;
        item.WriteTo(stream);
        if (stream.CanSeek && stream.Position - before != item.ByteCount) throw new ArgumentException($"tensor {item.Name} wrote {stream.Position - before} bytes in place of {item.ByteCount}", nameof(item));
    }

    private static Item ItemOf(string name, torch.Tensor tensor) => new(name, TensorElement.Of(tensor.dtype), tensor.shape, stream => TensorMemory.WriteTo(stream, tensor));

    private static string HeaderOf(Item[] items, IReadOnlyDictionary<string, string>? metadata)
    {
        var text = new StringBuilder("{");
        if (metadata is not null)
        {
            IEnumerable<string> pairs = metadata.OrderBy(pair => pair.Key, Utf8Order.Instance).Select(pair => $"{Quote(pair.Key)}:{Quote(pair.Value)}");
            text.Append("\"__metadata__\":{").AppendJoin(',', pairs).Append('}');
        }
        long at = 0;
        foreach (Item item in items)
        {
            if (text.Length > 1) text.Append(',');
            text.Append($"{Quote(item.Name)}:{{\"dtype\":\"{item.Element.Name}\",\"shape\":[{string.Join(',', item.Shape)}],\"data_offsets\":[{at},{at = checked(at + item.ByteCount)}]}}");
        }
        return text.Append('}').ToString();
    }

    // The reference's JSON escapes only what JSON demands, the common control characters by letter and the others in lower case.
    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char letter in text)
        {
            _ = letter switch
            {
                '"' or '\\' => quoted.Append('\\').Append(letter),
                '\b' => quoted.Append("\\b"),
                '\f' => quoted.Append("\\f"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' => quoted.Append($"\\u{(int)letter:x4}"),
                _ => quoted.Append(letter),
            };
        }
        return quoted.Append('"').ToString();
    }

    // The order of names by their UTF-8 bytes, which is that of their code points and not that of UTF-16.
    private sealed class Utf8Order : IComparer<string>
    {
        internal static Utf8Order Instance { get; } = new();

        public int Compare(string? x, string? y) => Encoding.UTF8.GetBytes(x ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y ?? ""));
    }
}
