using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Features;

/// <summary>Columns of equal length as a Parquet file; the same columns give the same bytes.</summary>
internal sealed class ParquetTable
{
    private const int RowsPerGroup = 1 << 20;

    // The default level of this codec is thirty times slower for a tenth of the size.
    private static readonly ParquetOptions Compressed = new() { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
    private readonly List<DataField> fields = [];
    private readonly List<Func<ParquetRowGroupWriter, DataField, Range, Task>> writers = [];

    /// <summary>Rows of the table.</summary>
    internal int Rows { get; private set; }

    internal ParquetTable Add<T>(string name, T[] values)
        where T : struct => Add(new DataField<T>(name), values.Length, (group, field, rows) => group.WriteAsync<T>(field, values.AsMemory(rows)));

    internal ParquetTable AddNullable<T>(string name, T?[] values)
        where T : struct => Add(new DataField<T?>(name), values.Length, (group, field, rows) => group.WriteAsync<T>(field, values.AsMemory(rows)));

    internal ParquetTable Add(string name, string[] values) =>
        Add(new DataField<string>(name), values.Length, (group, field, rows) => group.WriteAsync(field, values[rows]));

    /// <summary>Writes the file, whole or not at all, and describes it.</summary>
    internal IndexTable Write(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        AtomicFile.Write(path, stream => WriteAsync(stream).GetAwaiter().GetResult());
        return new(name, Rows, Hashing.OfFile(path));
    }

    private ParquetTable Add(DataField field, int rows, Func<ParquetRowGroupWriter, DataField, Range, Task> writer)
    {
        if (fields.Count > 0 && rows != Rows) throw new ArgumentException($"column {field.Name} has {rows} rows, not {Rows}");
        Rows = rows;
        fields.Add(field);
        writers.Add(writer);
        return this;
    }

    private async Task WriteAsync(Stream stream)
    {
        var schema = new ParquetSchema(fields.Cast<Field>().ToArray());
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream, Compressed).ConfigureAwait(false);
        for (int start = 0; start < Rows; start += RowsPerGroup)
        {
            Range rows = start..Math.Min(Rows, start + RowsPerGroup);
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < fields.Count; i++) await writers[i](group, schema.DataFields[i], rows).ConfigureAwait(false);
            group.CompleteValidate();
        }
    }
}

/// <summary>Columns of a Parquet file, read by name.</summary>
internal sealed class ParquetColumns
{
    private readonly string path;

    internal ParquetColumns(string folder, string name) => path = Path.Combine(folder, name);

    private delegate ValueTask ReadInto<T>(ParquetRowGroupReader group, DataField field, Memory<T> into);

    internal T[] Read<T>(string column)
        where T : struct => Read<T>(column, static (group, field, into) => group.ReadAsync<T>(field, into));

    internal T?[] ReadNullable<T>(string column)
        where T : struct => Read<T?>(column, static (group, field, into) => group.ReadAsync<T>(field, into));

    internal string[] ReadText(string column) => [.. Read<string?>(column, static (group, field, into) => group.ReadAsync(field, into)).Select(text => text ?? "")];

    private T[] Read<T>(string column, ReadInto<T> read) => ReadAsync(column, read).GetAwaiter().GetResult();

    private async Task<T[]> ReadAsync<T>(string column, ReadInto<T> read)
    {
        await using ParquetReader reader = await ParquetReader.CreateAsync(path).ConfigureAwait(false);
        DataField field = reader.Schema.DataFields.FirstOrDefault(field => field.Name == column)
            ?? throw new UserErrorException($"{path} has no column {column}", "it is not an index of this version; scan again");
        var values = new List<T[]>();
        for (int i = 0; i < reader.RowGroupCount; i++)
        {
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(i);
            var part = new T[group.RowCount];
            await read(group, field, part).ConfigureAwait(false);
            values.Add(part);
        }
        return values.Count == 1 ? values[0] : [.. values.SelectMany(part => part)];
    }
}
