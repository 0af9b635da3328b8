using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Features;

/// <summary>Columns of equal length as a Parquet file; the same columns give the same bytes.</summary>
/// <param name="searched">Whether whole columns of text are searched: half as large again, and read in three quarters of the time.</param>
internal sealed class ParquetTable(bool searched = false)
{
    private const int RowsPerGroup = 1 << 14;

    // The default level of this codec is thirty times slower for a tenth of the size.
    private static readonly ParquetOptions Compressed = new() { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
    private static readonly ParquetOptions Quick = new() { CompressionMethod = CompressionMethod.Snappy };
    private readonly List<Field> fields = [];
    private readonly List<Func<ParquetRowGroupWriter, DataField, Range, Task>> writers = [];

    /// <summary>Rows of the table.</summary>
    internal int Rows { get; private set; }

    internal ParquetTable Add<T>(string name, T[] values)
        where T : struct => Add(new DataField<T>(name), values.Length, (group, field, rows) => group.WriteAsync<T>(field, values.AsMemory(rows)));

    internal ParquetTable AddNullable<T>(string name, T?[] values)
        where T : struct => Add(new DataField<T?>(name), values.Length, (group, field, rows) => group.WriteAsync<T>(field, values.AsMemory(rows)));

    internal ParquetTable Add(string name, string[] values) =>
        Add(new DataField<string>(name), values.Length, (group, field, rows) => group.WriteAsync(field, values[rows]));

    /// <summary>A column of lists, none of them empty.</summary>
    internal ParquetTable AddLists<T>(string name, T[] flat, int[] lengths)
        where T : struct
    {
        var starts = new int[lengths.Length + 1];
        for (int row = 0; row < lengths.Length; row++) starts[row + 1] = starts[row] + lengths[row];
        return Add(new ListField(name, new DataField<T>("element")), lengths.Length, (group, field, rows) =>
        {
            (int first, int count) = rows.GetOffsetAndLength(lengths.Length);
            var depths = new int[starts[first + count] - starts[first]];
            var continues = new int[depths.Length];
            Array.Fill(depths, field.MaxDefinitionLevel);
            Array.Fill(continues, 1);
            for (int row = first; row < first + count; row++) continues[starts[row] - starts[first]] = 0;
            return group.WriteAllPartsAsync<T>(field, flat.AsMemory(starts[first], depths.Length), depths, continues, CancellationToken.None);
        });
    }

    /// <summary>Writes the file, whole or not at all, and describes it.</summary>
    internal IndexTable Write(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        AtomicFile.Write(path, stream => WriteAsync(stream).GetAwaiter().GetResult());
        return new(name, Rows, Hashing.OfFile(path));
    }

    private ParquetTable Add(Field field, int rows, Func<ParquetRowGroupWriter, DataField, Range, Task> writer)
    {
        if (fields.Count > 0 && rows != Rows) throw new ArgumentException($"column {field.Name} has {rows} rows, not {Rows}");
        Rows = rows;
        fields.Add(field);
        writers.Add(writer);
        return this;
    }

    private async Task WriteAsync(Stream stream)
    {
        var schema = new ParquetSchema(fields);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream, searched ? Quick : Compressed).ConfigureAwait(false);
        for (int start = 0; start < Rows; start += RowsPerGroup)
        {
            Range rows = start..Math.Min(Rows, start + RowsPerGroup);
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < fields.Count; i++) await writers[i](group, schema.DataFields[i], rows).ConfigureAwait(false);
            group.CompleteValidate();
        }
    }
}
