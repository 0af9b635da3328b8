using System.Collections.Immutable;
using System.Text.Json;

namespace Monosemantic.Runtime;

/// <summary>One tensor in a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Element">Its element type.</param>
/// <param name="Shape">Its dimensions; none for a single number.</param>
/// <param name="Begin">First byte, counted from the start of the data.</param>
/// <param name="End">One past its last byte.</param>
public sealed record SafetensorsEntry(string Name, TensorElement Element, ImmutableArray<long> Shape, long Begin, long End);

/// <summary>
/// The header of a safetensors file, checked as the format's reference reader checks it: limits, duplicates, overlaps, holes,
/// overflowing shapes and trailing bytes are all refused before anything is read.
/// </summary>
/// <param name="Entries">The tensors, in the order of their bytes.</param>
/// <param name="Metadata">The file's string metadata.</param>
/// <param name="DataStart">Byte of the file at which the data begin.</param>
public sealed record SafetensorsHeader(ImmutableArray<SafetensorsEntry> Entries, ImmutableDictionary<string, string> Metadata, long DataStart)
{
    private const long MaxHeaderBytes = 100_000_000;

    /// <summary>Reads and checks the header.</summary>
    /// <param name="stream">The file, at its start.</param>
    /// <param name="path">Its path, for errors.</param>
    /// <exception cref="UserErrorException">The file is not a valid safetensors file.</exception>
    public static SafetensorsHeader Read(Stream stream, string path)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Length < 8) throw Bad(path, $"it has {stream.Length} bytes, too few for a header");
        Span<byte> lengthBytes = stackalloc byte[8];
        stream.ReadExactly(lengthBytes);
        ulong length = BitConverter.ToUInt64(lengthBytes);
        if (length > MaxHeaderBytes) throw Bad(path, $"its header claims {length:N0} bytes; at most {MaxHeaderBytes:N0} are allowed");
        if ((long)length > stream.Length - 8) throw Bad(path, $"its header claims {length:N0} bytes, but only {stream.Length - 8:N0} follow: it was cut short");
        byte[] json = new byte[length];
        stream.ReadExactly(json);
        return Parse(json, 8 + (long)length, stream.Length, path);
    }

    private static SafetensorsHeader Parse(byte[] json, long dataStart, long fileLength, string path)
    {
        if (json.Length == 0 || json[0] != (byte)'{') throw Bad(path, "its header is not a JSON object");
        var entries = new List<SafetensorsEntry>();
        var metadata = ImmutableDictionary.CreateBuilder<string, string>();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name != "__metadata__") entries.Add(ParseEntry(property, path));
                else foreach (JsonProperty pair in property.Value.EnumerateObject()) metadata[pair.Name] = pair.Value.GetString() ?? "";
            }
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or FormatException)
        {
            throw Bad(path, $"its header cannot be read ({failure.Message})");
        }
        entries.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        CheckLayout(entries, fileLength - dataStart, path);
        return new([.. entries], metadata.ToImmutable(), dataStart);
    }

    private static SafetensorsEntry ParseEntry(JsonProperty property, string path)
    {
        string dtype = "";
        ImmutableArray<long>? shape = null, offsets = null;
        foreach (JsonProperty field in property.Value.EnumerateObject())
        {
            if (field.NameEquals("dtype")) dtype = field.Value.GetString() ?? "";
            else if (field.NameEquals("shape")) shape = Integers(field.Value);
            else if (field.NameEquals("data_offsets")) offsets = Integers(field.Value);
            else throw Bad(path, $"tensor {property.Name} has the unknown key {field.Name}");
        }
        if (shape is null || offsets is not { Length: 2 } range) throw Bad(path, $"tensor {property.Name} lacks its shape or its two data_offsets");
        TensorElement element = TensorElement.Find(dtype) ?? throw Bad(path, $"tensor {property.Name} has the type '{dtype}', which is not read here");
        return new(property.Name, element, shape.Value, range[0], range[1]);
    }

    private static ImmutableArray<long> Integers(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt64())];

    private static void CheckLayout(List<SafetensorsEntry> entries, long dataBytes, string path)
    {
        long at = 0;
        foreach (SafetensorsEntry entry in entries)
        {
            if (entry.Begin != at) throw Bad(path, $"tensor {entry.Name} begins at byte {entry.Begin:N0} of the data; {at:N0} was expected (overlap or hole)");
            if (entry.End < entry.Begin || entry.End > dataBytes) throw Bad(path, $"tensor {entry.Name} ends at byte {entry.End:N0} of {dataBytes:N0}: the file was cut short or lies");
            if (ByteCount(entry) != entry.End - entry.Begin) throw Bad(path, $"tensor {entry.Name} of shape [{string.Join(", ", entry.Shape)}] does not fill its {entry.End - entry.Begin:N0} bytes");
            at = entry.End;
        }
        if (at != dataBytes) throw Bad(path, $"{dataBytes - at:N0} bytes follow the last tensor");
    }

    // -1 where the shape is negative or overflows: never equal to a byte range.
    private static long ByteCount(SafetensorsEntry entry)
    {
        UInt128 count = (UInt128)entry.Element.Size;
        foreach (long dimension in entry.Shape)
        {
            if (dimension < 0) return -1;
            count *= (UInt128)dimension;
            if (count > long.MaxValue) return -1;
        }
        return (long)count;
    }

    private static UserErrorException Bad(string path, string what) =>
        new($"{path} is not a valid safetensors file: {what}", "copy or download the file again, or make it again");
}
