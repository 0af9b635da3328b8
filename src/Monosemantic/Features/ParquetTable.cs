using System.Buffers;
using System.Collections.Immutable;
using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Features;

/// <summary>
/// A Parquet file, each of whose columns is a function of a row; they are asked for one group of rows at a time. The same rows
/// give the same bytes.
/// </summary>
/// <param name="rows">The rows.</param>
/// <param name="searched">Whether whole columns of text are searched: half as large again, and read in three quarters of the time.</param>
internal sealed class ParquetTable<TRow>(TRow[] rows, bool searched = false)
{
    private const int RowsPerGroup = 1 << 14;

    // The default level of this codec is thirty times slower for a tenth of the size.
    private static readonly ParquetOptions Compressed = new() { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
    private static readonly ParquetOptions Quick = new() { CompressionMethod = CompressionMethod.Snappy };
    private readonly List<Field> fields = [];
    private readonly List<Func<ParquetRowGroupWriter, DataField, ArraySegment<TRow>, Task>> writers = [];

    internal ParquetTable<TRow> Add<T>(string name, Func<TRow, T> value)
        where T : struct => Add(new DataField<T>(name), (group, field, part) => WriteFrom(part, value, values => group.WriteAsync<T>(field, values)));

    internal ParquetTable<TRow> AddNullable<T>(string name, Func<TRow, T?> value)
        where T : struct => Add(new DataField<T?>(name), (group, field, part) => WriteFrom(part, value, values => group.WriteAsync<T>(field, values)));

    internal ParquetTable<TRow> Add(string name, Func<TRow, string> value) =>
        Add(new DataField<string>(name), (group, field, part) => group.WriteAsync(field, part.Select(value).ToArray()));

    /// <summary>A column of lists, none of them empty.</summary>
    internal ParquetTable<TRow> AddLists<T>(string name, Func<TRow, ImmutableArray<T>> list)
        where T : struct => Add(new ListField(name, new DataField<T>("element")), (group, field, part) => WriteLists(group, field, part, list));

    /// <summary>Writes the file, whole or not at all, and describes it.</summary>
    internal IndexTable Write(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        AtomicFile.Write(path, stream => WriteAsync(stream).GetAwaiter().GetResult());
        return new(name, rows.Length, Hashing.OfFile(path));
    }

    private async Task WriteAsync(Stream stream)
    {
        var schema = new ParquetSchema(fields);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream, searched ? Quick : Compressed).ConfigureAwait(false);
        for (int start = 0; start < rows.Length; start += RowsPerGroup)
        {
            var part = new ArraySegment<TRow>(rows, start, Math.Min(RowsPerGroup, rows.Length - start));
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < fields.Count; i++) await writers[i](group, schema.DataFields[i], part).ConfigureAwait(false);
            group.CompleteValidate();
        }
    }

    private ParquetTable<TRow> Add(Field field, Func<ParquetRowGroupWriter, DataField, ArraySegment<TRow>, Task> writer)
    {
        fields.Add(field);
        writers.Add(writer);
        return this;
    }

    private static async Task WriteFrom<T>(ArraySegment<TRow> part, Func<TRow, T> value, Func<ReadOnlyMemory<T>, Task> write)
    {
        T[] values = ArrayPool<T>.Shared.Rent(part.Count);
        for (int row = 0; row < part.Count; row++) values[row] = value(part[row]);
        await write(values.AsMemory(0, part.Count)).ConfigureAwait(false);
        ArrayPool<T>.Shared.Return(values);
    }

    private static async Task WriteLists<T>(ParquetRowGroupWriter group, DataField field, ArraySegment<TRow> part, Func<TRow, ImmutableArray<T>> list)
        where T : struct
    {
        int count = part.Sum(row => list(row).Length), at = 0;
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
        await group.WriteAllPartsAsync<T>(field, elements.AsMemory(0, count), depths.AsMemory(0, count), continues.AsMemory(0, count), CancellationToken.None).ConfigureAwait(false);
        ArrayPool<int>.Shared.Return(depths);
        ArrayPool<int>.Shared.Return(continues);
        ArrayPool<T>.Shared.Return(elements);
    }
}
