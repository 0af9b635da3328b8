using System.Text.Json;

namespace Monosemantic.Features.Exports;

/// <summary>
/// JSON for other tools, written as it is made: numbers with as many digits as give the same number back, text with everything
/// but plain letters escaped, so that a line stays a line and a tag no tag.
/// </summary>
internal sealed class ExportRow(Stream stream) : IDisposable
{
    // The writer holds what is not flushed in memory.
    private const int FlushBytes = 1 << 16;
    private readonly Utf8JsonWriter json = new(stream);

    internal ExportRow Open(string? name = null, bool list = false)
    {
        if (name is not null) json.WritePropertyName(name);
        if (list) json.WriteStartArray();
        else json.WriteStartObject();
        return this;
    }

    internal ExportRow Close(bool list = false)
    {
        if (list) json.WriteEndArray();
        else json.WriteEndObject();
        if (json.BytesPending > FlushBytes) json.Flush();
        return this;
    }

    /// <summary>Ends a line of JSON lines.</summary>
    internal void EndLine()
    {
        json.Flush();
        stream.WriteByte((byte)'\n');
        json.Reset();
    }

    internal ExportRow Text(string name, string? value)
    {
        json.WriteString(name, value);
        return this;
    }

    internal ExportRow Flag(string name, bool value)
    {
        json.WriteBoolean(name, value);
        return this;
    }

    internal ExportRow Whole(string name, long? value)
    {
        if (value is { } number) json.WriteNumber(name, number);
        else json.WriteNull(name);
        return this;
    }

    internal ExportRow Number(string name, double value)
    {
        json.WriteNumber(name, value);
        return this;
    }

    internal ExportRow Number(string name, float value)
    {
        json.WriteNumber(name, value);
        return this;
    }

    internal ExportRow Texts(string name, IEnumerable<string> values) => List(name, values, json.WriteStringValue);

    internal ExportRow Wholes(string name, IEnumerable<long> values) => List(name, values, json.WriteNumberValue);

    internal ExportRow Wholes(string name, IEnumerable<int> values) => List(name, values, json.WriteNumberValue);

    internal ExportRow Numbers(string name, IEnumerable<double> values) => List(name, values, json.WriteNumberValue);

    internal ExportRow Numbers(string name, IEnumerable<float> values) => List(name, values, json.WriteNumberValue);

    internal ExportRow Empty(params ReadOnlySpan<string> names)
    {
        foreach (string name in names) Numbers(name, Array.Empty<double>());
        return this;
    }

    /// <summary>As many empty lists, or zeros, as there are tokens.</summary>
    internal ExportRow Blank(string name, int count, bool lists)
    {
        json.WriteStartArray(name);
        for (int i = 0; i < count; i++)
        {
            if (!lists) json.WriteNumberValue(0);
            else
            {
                json.WriteStartArray();
                json.WriteEndArray();
            }
        }
        json.WriteEndArray();
        return this;
    }

    public void Dispose() => json.Dispose();

    private ExportRow List<T>(string name, IEnumerable<T> values, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T value in values) write(value);
        json.WriteEndArray();
        return this;
    }
}
