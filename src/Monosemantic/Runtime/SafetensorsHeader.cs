using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Unicode;

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
    private const int MaxNames = 200_000;

    /// <summary>Reads and checks the header.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="UserErrorException">The file is not a valid safetensors file.</exception>
    internal static SafetensorsHeader Read(MappedFile file)
    {
        if (file.Length < 8) throw Foreign(file, $"it has {file.Length} bytes, too few for a header");
        ulong length = BitConverter.ToUInt64(file.Span(0, 8));
        if (length > MaxHeaderBytes) throw Foreign(file, $"its header claims {length:N0} bytes; at most {MaxHeaderBytes:N0} are allowed");
        if ((long)length > file.Length - 8) throw Bad(file.Path, $"its header claims {length:N0} bytes, but only {file.Length - 8:N0} follow: it was cut short");
        ReadOnlySpan<byte> json = file.Span(8, (int)length);
        if (json.IsEmpty || json[0] != (byte)'{') throw Foreign(file, "its header is not a JSON object");
        if (!Utf8.IsValid(json)) throw Bad(file.Path, "its header is not UTF-8 text");
        return new Parser(file.Path).Parse(json, 8 + (long)length, file.Length);
    }

    // A file of another kind: what it looks like says more than what its first bytes would be as a length.
    private static UserErrorException Foreign(MappedFile file, string what) => Bad(file.Path, FileSignature.Describe(file) is { } kind ? $"it looks like {kind}" : what);

    private static UserErrorException Bad(string path, string what) =>
        new($"{path} is not a valid safetensors file: {what}", "copy or download the file again, or make it again");

    // What has been read of one header so far.
    private sealed class Parser(string path)
    {
        private readonly List<SafetensorsEntry> entries = [];
        private readonly HashSet<string> names = [];
        private readonly ImmutableDictionary<string, string>.Builder metadata = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);

        internal SafetensorsHeader Parse(ReadOnlySpan<byte> utf8, long dataStart, long fileLength)
        {
            try
            {
                ReadObject(utf8);
            }
            catch (JsonException failure)
            {
                throw Bad(path, $"its header cannot be read ({Printable.Of(failure.Message)})");
            }
            entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End != b.End ? a.End.CompareTo(b.End) : string.CompareOrdinal(a.Name, b.Name));
            CheckLayout(fileLength - dataStart);
            return new([.. entries], metadata.ToImmutable(), dataStart);
        }

        private void ReadObject(ReadOnlySpan<byte> utf8)
        {
            var json = new StrictJson(utf8);
            json.BeginObject("the header");
            while (json.NextKey(out string name))
            {
                if (!names.Add(name)) throw Bad(path, $"the name {Printable.Of(name)} stands in its header twice");
                if (names.Count > MaxNames) throw Bad(path, $"its header names more than {MaxNames:N0} tensors");
                if (name == "__metadata__") ReadMetadata(ref json);
                else entries.Add(ReadEntry(ref json, name));
            }
            json.End();
        }

        private void ReadMetadata(ref StrictJson json)
        {
            json.BeginObject("__metadata__");
            while (json.NextKey(out string key))
            {
                if (!metadata.TryAdd(key, json.Text(key))) throw Bad(path, $"the key {Printable.Of(key)} stands in its __metadata__ twice");
                if (metadata.Count > MaxNames) throw Bad(path, $"its __metadata__ has more than {MaxNames:N0} keys");
            }
        }

        private SafetensorsEntry ReadEntry(ref StrictJson json, string name)
        {
            string? dtype = null;
            Span<long> shape = stackalloc long[TensorElement.MaxDimensions], offsets = stackalloc long[2];
            int dimensions = -1, ends = -1;
            try
            {
                json.BeginObject("its description");
                while (json.NextKey(out string key))
                {
                    if (key == "dtype" && dtype is null) dtype = json.Text(key);
                    else if (key == "shape" && dimensions < 0) dimensions = json.Counts(key, shape);
                    else if (key == "data_offsets" && ends < 0) ends = json.Counts(key, offsets);
                    else throw new JsonException($"it has the key {key} twice, or it is not one of dtype, shape, data_offsets");
                }
                if (dtype is null || dimensions < 0 || ends != 2) throw new JsonException("it lacks its dtype, its shape or its two data_offsets");
            }
            catch (JsonException failure)
            {
                throw Bad(path, $"tensor {Printable.Of(name)}: {Printable.Of(failure.Message)}");
            }
            TensorElement element = TensorElement.Find(dtype)
                ?? throw Bad(path, $"tensor {Printable.Of(name)} has the type '{Printable.Of(dtype)}', which is not read here; read are {TensorElement.ReadableNames}");
            return new(name, element, [.. shape[..dimensions]], offsets[0], offsets[1]);
        }

        private void CheckLayout(long dataBytes)
        {
            long at = 0;
            foreach (SafetensorsEntry entry in entries)
            {
                string tensor = $"tensor {Printable.Of(entry.Name)}";
                if (entry.Begin != at) throw Bad(path, $"{tensor} begins at byte {entry.Begin:N0} of the data; {at:N0} was expected (overlap or hole)");
                if (entry.End < entry.Begin) throw Bad(path, $"{tensor} ends at byte {entry.End:N0}, before it begins at {entry.Begin:N0}");
                if (entry.End > dataBytes) throw Bad(path, $"{tensor} ends at byte {entry.End:N0} of {dataBytes:N0}: the file was cut short or lies");
                if (entry.Element.ByteCount(entry.Shape) != entry.End - entry.Begin)
                {
                    throw Bad(path, $"{tensor} of type {entry.Element.Name} and shape {Printable.Of(entry.Shape)} does not fill its {entry.End - entry.Begin:N0} bytes");
                }
                at = entry.End;
            }
            if (at != dataBytes) throw Bad(path, $"{dataBytes - at:N0} bytes follow the last tensor");
        }
    }
}
