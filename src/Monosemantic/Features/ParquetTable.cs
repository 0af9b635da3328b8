using System.Buffers;
using System.Collections.Immutable;
using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Features;

/// <summary>
/// A Parquet file, each of whose columns is a function of a row. Only one group of rows is held at a time. The same rows give
/// the same bytes.
/// </summary>
/// <param name="rows">The rows; gone through once.</param>
/// <param name="searched">Whether whole columns of text are searched: half as large again, and read in three quarters of the time.</param>
internal sealed class ParquetTable<TRow>(IEnumerable<TRow> rows, bool searched = false)
{
    private const int RowsPerGroup = 1 << 14;

    // The default level of this codec is thirty times slower for a tenth of the size.
    private static readonly ParquetOptions Compressed = new() { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
    private static readonly ParquetOptions Quick = new() { CompressionMethod = CompressionMethod.Snappy };
    private readonly List<Field> fields = [];
    private readonly List<ColumnWriter> writers = [];

    private delegate void ColumnWriter(ParquetRowGroupWriter group, DataField field, ReadOnlySpan<TRow> part);

    internal ParquetTable<TRow> Add<T>(string name, Func<TRow, T> value)
        where T : struct
    {
        return Add(new DataField<T>(name), (group, field, part) =>
        {
            T[] values = Values(part, value);
            Wait(group.WriteAsync<T>(field, values.AsMemory(0, part.Length)));
            ArrayPool<T>.Shared.Return(values);
        });
    }

    internal ParquetTable<TRow> AddNullable<T>(string name, Func<TRow, T?> value)
        where T : struct
    {
        return Add(new DataField<T?>(name), (group, field, part) =>
        {
            T?[] values = Values(part, value);
            Wait(group.WriteAsync<T>(field, values.AsMemory(0, part.Length)));
            ArrayPool<T?>.Shared.Return(values);
        });
    }

    internal ParquetTable<TRow> Add(string name, Func<TRow, string> value)
    {
        return Add(new DataField<string>(name), (group, field, part) =>
        {
            string[] values = Values(part, value);
            Wait(group.WriteAsync(field, new ArraySegment<string>(values, 0, part.Length)));
            ArrayPool<string>.Shared.Return(values, clearArray: true);
        });
    }

    /// <summary>A column of lists, none of them empty.</summary>
    internal ParquetTable<TRow> AddLists<T>(string name, Func<TRow, ImmutableArray<T>> list)
        where T : struct => Add(new ListField(name, new DataField<T>("element")), (group, field, part) => WriteLists(group, field, part, list));

    /// <summary>Writes the file, whole or not at all, and describes it.</summary>
    internal IndexTable Write(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        long count = 0;
        AtomicFile.Write(path, stream => count = WriteTo(new ImmediateStream(stream)));
        return new(name, count, Hashing.OfFile(path));
    }

    private long WriteTo(ImmediateStream stream)
    {
        var schema = new ParquetSchema(fields);
        ParquetWriter writer = ParquetWriter.CreateAsync(schema, stream, searched ? Quick : Compressed).GetAwaiter().GetResult();
        var part = new TRow[RowsPerGroup];
        long count = 0;
        int held = 0;
        foreach (TRow row in rows)
        {
            part[held++] = row;
            if (held < part.Length) continue;
            WriteGroup(writer, schema, part);
            count += held;
            held = 0;
        }
        if (held > 0) WriteGroup(writer, schema, part.AsSpan(0, held));
        writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return count + held;
    }

    private void WriteGroup(ParquetWriter writer, ParquetSchema schema, ReadOnlySpan<TRow> part)
    {
        using ParquetRowGroupWriter group = writer.CreateRowGroup();
        for (int i = 0; i < writers.Count; i++) writers[i](group, schema.DataFields[i], part);
        group.CompleteValidate();
    }

    private ParquetTable<TRow> Add(Field field, ColumnWriter writer)
    {
        fields.Add(field);
        writers.Add(writer);
        return this;
    }

    // The stream does everything at once, and so is the task done.
    private static void Wait(Task written) => written.GetAwaiter().GetResult();

    private static T[] Values<T>(ReadOnlySpan<TRow> part, Func<TRow, T> value)
    {
        T[] values = ArrayPool<T>.Shared.Rent(part.Length);
        for (int row = 0; row < part.Length; row++) values[row] = value(part[row]);
        return values;
    }

    private static void WriteLists<T>(ParquetRowGroupWriter group, DataField field, ReadOnlySpan<TRow> part, Func<TRow, ImmutableArray<T>> list)
        where T : struct
    {
        int count = 0, at = 0;
        foreach (TRow row in part) count += list(row).Length;
        T[] elements = ArrayPool<T>.Shared.Rent(count);
        int[] depths = ArrayPool<int>.Shared.Rent(count), continues = ArrayPool<int>.Shared.Rent(count);
        Array.Fill(depths, field.MaxDefinitionLevel, 0, count);
        Array.Fill(continues, 1, 0, count);
        foreach (TRow row in part)
        {
            ImmutableArray<T> own = list(row);
            own.CopyTo(elements, at);
            continues[at] = 0;
            at += own.Length;
        }
        Wait(group.WriteAllPartsAsync<T>(field, elements.AsMemory(0, count), depths.AsMemory(0, count), continues.AsMemory(0, count), CancellationToken.None));
        ArrayPool<int>.Shared.Return(depths);
        ArrayPool<int>.Shared.Return(continues);
        ArrayPool<T>.Shared.Return(elements);
    }
}
